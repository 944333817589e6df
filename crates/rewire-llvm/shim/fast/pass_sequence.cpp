// See pass_sequence.h.

#include "pass_sequence.h"
#include "llvm/IR/Module.h"

using namespace llvm;
using namespace rewire;

// As FunctionPass::assignPassManager does with a manager of LLVM's.
void PassSequence::assignPassManager(PMStack &stack, PassManagerType preferred) {
  FPPassManager::assignPassManager(stack, preferred);
  populateInheritedAnalysis(stack);
  stack.push(this);
}

bool PassSequence::runOnModule(Module &module) {
  const bool changed = FPPassManager::runOnModule(module);
  const bool has_body =
      llvm::any_of(module, [](const Function &function) { return !function.isDeclaration(); });
  const bool is_alone = getResolver()->getPMDataManager().getNumContainedPasses() == 1;
  if (has_body && is_alone && steps.empty()) {
    for (unsigned place = 0; place < getNumContainedPasses(); ++place) {
      Step step{getContainedPass(place), {}};
      getTopLevelManager()->collectLastUses(step.spent, step.pass);
      steps.push_back(std::move(step));
    }
  }
  return changed;
}

void PassSequence::run(Module &module) {
  const auto &immutable = getTopLevelManager()->getImmutablePasses();
  for (ImmutablePass *pass : immutable)
    pass->doInitialization(module);
  doInitialization(module);
  for (Function &function : module) {
    if (function.isDeclaration())
      continue;
    for (const Step &step : steps) {
      step.pass->runOnFunction(function);
      for (Pass *spent : step.spent)
        spent->releaseMemory();
    }
  }
  doFinalization(module);
  for (ImmutablePass *pass : immutable)
    pass->doFinalization(module);
}
