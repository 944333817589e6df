// See sequence.h.

#include "sequence.h"
#include "llvm/CodeGen/MachineFunction.h"
#include "llvm/IR/Module.h"

using namespace llvm;

// Functions that want protection aren't plain; others ask it whether there is some.
static constexpr StringLiteral kIdle = "Insert stack protectors";
static constexpr StringLiteral kBetweenBlocks = "Remove unreachable blocks from the CFG";
// Values that meet; frames that differ from block to block.
static constexpr StringLiteral kBetweenMachineBlocks[] = {
    "Eliminate PHI nodes for register allocation",
    "Check CFA info and insert CFI instructions if needed"};

// As FunctionPass::assignPassManager does with a manager of LLVM's.
void RewireSequence::assignPassManager(PMStack &stack, PassManagerType preferred) {
  FPPassManager::assignPassManager(stack, preferred);
  populateInheritedAnalysis(stack);
  stack.push(this);
}

bool RewireSequence::runOnModule(Module &module) {
  const bool changed = FPPassManager::runOnModule(module);
  const bool has_body =
      llvm::any_of(module, [](const Function &function) { return !function.isDeclaration(); });
  const bool is_alone = getResolver()->getPMDataManager().getNumContainedPasses() == 1;
  if (has_body && is_alone && steps.empty()) {
    for (unsigned place = 0; place < getNumContainedPasses(); ++place) {
      FunctionPass *pass = getContainedPass(place);
      const StringRef name = pass->getPassName();
      Use use = Use::All;
      if (name == kIdle)
        use = Use::None;
      else if (name == kBetweenBlocks)
        use = Use::OfSeveralBlocks;
      else if (is_contained(kBetweenMachineBlocks, name))
        use = Use::OfSeveralMachineBlocks;
      Step step{pass, use, {}};
      getTopLevelManager()->collectLastUses(step.spent, step.pass);
      steps.push_back(std::move(step));
    }
  }
  return changed;
}

bool RewireSequence::isUsed(const Step &step, const Function &function) const {
  switch (step.use) {
  case Use::None:
    return false;
  case Use::OfSeveralBlocks:
    return function.size() > 1;
  case Use::OfSeveralMachineBlocks:
    return machine_functions.getMachineFunction(function)->size() > 1;
  case Use::All:
    return true;
  }
}

void RewireSequence::run(Module &module) {
  const auto &immutable = getTopLevelManager()->getImmutablePasses();
  for (ImmutablePass *pass : immutable)
    pass->doInitialization(module);
  doInitialization(module);
  for (Function &function : module) {
    if (function.isDeclaration())
      continue;
    for (const Step &step : steps) {
      if (isUsed(step, function))
        step.pass->runOnFunction(function);
      for (Pass *spent : step.spent)
        spent->releaseMemory();
    }
  }
  doFinalization(module);
  for (ImmutablePass *pass : immutable)
    pass->doFinalization(module);
}
