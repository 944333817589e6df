// Running the passes of a pipeline with nothing between them.
#ifndef REWIRE_SEQUENCE_H
#define REWIRE_SEQUENCE_H

#include "llvm/IR/LegacyPassManagers.h"
#include <vector>

// A manager of function passes, for a pipeline of nothing else.
//
// LLVM's finds out anew for each pass and function which analyses there are, which the pass uses,
// and which nobody needs any more. In a pipeline that doesn't change, the answers don't either; for
// a function of a few lines, asking took a tenth of the time of code generation. So the first module
// goes LLVM's way, which leads each pass to its analyses; all others go through the passes alone.
// An analysis that a pass uses only if it is there is not there then.
//
// Added to a pass manager before any function pass, it gets all of them.
class RewireSequence final : public llvm::FPPassManager {
public:
  void assignPassManager(llvm::PMStack &stack, llvm::PassManagerType preferred) override;

  // What the pass manager calls.
  bool runOnModule(llvm::Module &module) override;

  // Whether modules can be run without the pass manager: one with a body went through it, and it
  // has no other passes.
  bool isReady() const { return !steps.empty(); }

  // The same as the pass manager does. Only when it is ready.
  void run(llvm::Module &module);

private:
  struct Step {
    llvm::FunctionPass *pass;
    // What nobody needs once it has run.
    llvm::SmallVector<llvm::Pass *, 2> spent;
  };
  std::vector<Step> steps;
};

#endif
