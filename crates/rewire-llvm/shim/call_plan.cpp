// Which calls a function makes for certain.
//
// A block that no way through a function can pass by is one of the post-dominators of its first
// block; after a call, the same holds of the post-dominators of the call's block. So for each
// block: the calls in it, and its immediate post-dominator. Whoever reads the plan follows these.

#include "read.h"
#include "llvm/Analysis/PostDominators.h"
#include "llvm/IR/InstrTypes.h"

using namespace llvm;
using namespace rewire;

namespace {

// Functions that must be inlined are never called, and LLVM's own are no functions.
const Function *calleeOf(const CallBase &call) {
  const auto *callee = dyn_cast<Function>(call.getCalledOperand());
  if (!callee || callee->isIntrinsic() || callee->hasFnAttribute(Attribute::AlwaysInline))
    return nullptr;
  return callee;
}

} // namespace

void rewire_call_plan(RewireIndex *index, size_t ordinal, void (*block)(void *data, size_t next),
                      void (*call)(void *data, size_t ordinal, bool returns), void *data) {
  auto *function = dyn_cast<Function>(index->globals[ordinal]);
  if (!function)
    return;
  std::string error;
  // What is wrong with it is for whoever compiles the function to say.
  if (!readBody(*index, *function, error) || function->isDeclaration())
    return;
  PostDominatorTree tree(*function);
  DenseMap<const BasicBlock *, size_t> numbers;
  for (const BasicBlock &one : *function)
    numbers.insert({&one, numbers.size()});
  for (const BasicBlock &one : *function) {
    const auto *node = tree.getNode(&one);
    const BasicBlock *next = node && node->getIDom() ? node->getIDom()->getBlock() : nullptr;
    block(data, next ? numbers.lookup(next) : SIZE_MAX);
    for (const Instruction &instruction : one) {
      const auto *made = dyn_cast<CallBase>(&instruction);
      if (!made)
        continue;
      const Function *callee = calleeOf(*made);
      bool returns = !made->doesNotReturn();
      if (callee)
        call(data, index->ordinals.lookup(callee), returns);
      else if (!returns)
        call(data, SIZE_MAX, false);
    }
  }
}
