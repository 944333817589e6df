// Running the passes of a pipeline with nothing between them.
#ifndef REWIRE_SEQUENCE_H
#define REWIRE_SEQUENCE_H

#include "llvm/CodeGen/MachineModuleInfo.h"
#include "llvm/IR/LegacyPassManagers.h"
#include <vector>

// A manager of function passes, for a pipeline of nothing else.
//
// LLVM's finds out anew for each pass and function which analyses there are, which the pass uses,
// and which nobody needs any more. In a pipeline that doesn't change, the answers don't either; for
// a function of a few lines, asking took a tenth of the time of code generation. So the first
// module goes LLVM's way, which leads each pass to its analyses; all others go through the passes
// alone. An analysis that a pass uses only if it is there is not there then. Passes that find
// nothing to do in a plain function (plain.h), or in one of a single block, are passed over; they
// are there because others need them, or because functions have more blocks.
//
// Added to a pass manager before any function pass, it gets all of them.
class RewireSequence final : public llvm::FPPassManager {
public:
  // `machine_functions` lives as long.
  explicit RewireSequence(const llvm::MachineModuleInfo &machine_functions)
      : machine_functions(machine_functions) {}

  void assignPassManager(llvm::PMStack &stack, llvm::PassManagerType preferred) override;

  // What the pass manager calls.
  bool runOnModule(llvm::Module &module) override;

  // Whether modules can be run without the pass manager: one with a body went through it, and it
  // has no other passes.
  bool isReady() const { return !steps.empty(); }

  // The same as the pass manager does. Only when it is ready. The module is plain.
  void run(llvm::Module &module);

private:
  // Of which functions a pass changes some.
  enum class Use { None, OfSeveralBlocks, OfSeveralMachineBlocks, All };

  struct Step {
    llvm::FunctionPass *pass;
    Use use;
    // What nobody needs once it has run.
    llvm::SmallVector<llvm::Pass *, 2> spent;
  };
  bool isUsed(const Step &step, const llvm::Function &function) const;

  const llvm::MachineModuleInfo &machine_functions;
  std::vector<Step> steps;
};

#endif
