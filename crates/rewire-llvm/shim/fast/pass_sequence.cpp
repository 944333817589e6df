// See pass_sequence.h.

#include "pass_sequence.h"
#include "llvm/CodeGen/MachineFunction.h"
#include "llvm/CodeGen/MachineModuleInfo.h"
#include "llvm/IR/Module.h"

using namespace llvm;
using namespace rewire;

// What these look for lies between blocks: blocks that nothing leads to, values that meet, frames
// that differ.
static constexpr StringLiteral kBetweenBlocks[] = {
    "Remove unreachable blocks from the CFG", "Eliminate PHI nodes for register allocation",
    "Check CFA info and insert CFI instructions if needed"};

// Other passes ask this one what it found, which is nothing: no plain function wants protection.
static constexpr StringLiteral kIdle[] = {"Insert stack protectors"};

// Before a function has machine code, its IR counts.
static size_t blocksOf(const Function &function, const MachineModuleInfo &machine_functions) {
  const MachineFunction *machine_code = machine_functions.getMachineFunction(function);
  return machine_code ? machine_code->size() : function.size();
}

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
  auto *machine_code = static_cast<MachineModuleInfoWrapperPass *>(
      getTopLevelManager()->findAnalysisPass(&MachineModuleInfoWrapperPass::ID));
  if (has_body && is_alone && machine_code && steps.empty()) {
    machine_functions = &machine_code->getMMI();
    for (unsigned place = 0; place < getNumContainedPasses(); ++place) {
      FunctionPass *pass = getContainedPass(place);
      const StringRef name = pass->getPassName();
      Step step{pass, is_contained(kIdle, name) ? Step::Never
                      : is_contained(kBetweenBlocks, name) ? Step::BetweenBlocks
                                                           : Step::Always, {}};
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
      if (step.runs == Step::Always ||
          (step.runs == Step::BetweenBlocks && blocksOf(function, *machine_functions) > 1))
        step.pass->runOnFunction(function);
      for (Pass *spent : step.spent)
        spent->releaseMemory();
    }
  }
  doFinalization(module);
  for (ImmutablePass *pass : immutable)
    pass->doFinalization(module);
}
