// Runs the passes of a pipeline with nothing between them.
#ifndef REWIRE_FAST_PASS_SEQUENCE_H
#define REWIRE_FAST_PASS_SEQUENCE_H

#include "llvm/IR/LegacyPassManagers.h"
#include <vector>

namespace llvm {
class MachineModuleInfo;
}

namespace rewire {

// A manager of function passes, for a pipeline that holds nothing else.
//
// For each pass and function, LLVM's manager finds out anew which analyses there are, which the
// pass uses, and which nobody needs any more. In a pipeline that doesn't change, the answers don't
// change either; for a function of a few lines, asking takes an eighth of the time of replacing it.
// So the first module goes LLVM's way, which leads each pass to its analyses; for all others, the
// passes alone are run, but for those that would find nothing. An analysis that a pass uses only if
// it happens to be there is not there then.
//
// It must be added to a pass manager before any function pass, and then gets all of them.
class PassSequence final : public llvm::FPPassManager {
public:
  void assignPassManager(llvm::PMStack &stack, llvm::PassManagerType preferred) override;

  // Called by the pass manager.
  bool runOnModule(llvm::Module &module) override;

  // Whether modules can be run without the pass manager: a module with a body went through it, and
  // it has no other passes.
  bool isReady() const { return !steps.empty(); }

  // Does what the pass manager does. Only if `isReady()`. The module must be plain.
  void run(llvm::Module &module);

private:
  struct Step {
    llvm::FunctionPass *pass;
    // Some have nothing to do in functions of one block.
    enum { Always, BetweenBlocks, Never } runs;
    // Passes whose results nobody needs once this one has run.
    llvm::SmallVector<llvm::Pass *, 2> spent;
  };

  std::vector<Step> steps;
  const llvm::MachineModuleInfo *machine_functions = nullptr;
};

} // namespace rewire

#endif
