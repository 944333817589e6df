// Thread-local variables, before the IR passes.

#include "thread_locals.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/ReplaceConstant.h"

using namespace llvm;

namespace {

// Until a coroutine is split it may go on in another thread behind any suspension.
bool mayMove(const Function &function) { return function.isPresplitCoroutine(); }

// The address itself, or a symbol in assembly.
bool isAsItShouldBe(const Instruction &user) {
  auto *call = dyn_cast<CallBase>(&user);
  return call && (call->getIntrinsicID() == Intrinsic::threadlocal_address || call->isInlineAsm());
}

// Where the value of a use has to be there.
Instruction *placeOf(Use &use) {
  auto *user = cast<Instruction>(use.getUser());
  if (auto *phi = dyn_cast<PHINode>(user))
    return phi->getIncomingBlock(use)->getTerminator();
  return user;
}

} // namespace

bool rewire::useThreadLocalAddresses(Module &module) {
  SmallVector<Constant *, 4> variables;
  for (GlobalVariable &variable : module.globals())
    if (variable.isThreadLocal())
      variables.push_back(&variable);
  if (variables.empty())
    return false;
  bool is_changed = convertUsersOfConstantsToInstructions(variables);
  for (Constant *variable : variables) {
    SmallVector<Use *, 8> uses;
    for (Use &use : variable->uses())
      if (auto *user = dyn_cast<Instruction>(use.getUser()))
        if (!isAsItShouldBe(*user) && !mayMove(*user->getFunction()))
          uses.push_back(&use);
    // A block that enters another several times gives one value each time.
    DenseMap<Instruction *, Value *> of_phis;
    for (Use *use : uses) {
      Instruction *place = placeOf(*use);
      const bool is_phi = isa<PHINode>(use->getUser());
      Value *&address = of_phis[is_phi ? place : nullptr];
      if (!is_phi || !address)
        address = IRBuilder<>(place).CreateThreadLocalAddress(variable);
      use->set(address);
      is_changed = true;
    }
  }
  return is_changed;
}
