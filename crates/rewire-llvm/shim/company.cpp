// Which functions a call of a function calls for certain.
//
// To compile a function costs less together with others: a third of the time goes into making and
// reading an object, whatever is in it. So a function is compiled with those that are called by
// blocks which no way through it can pass by.

#include "index.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Analysis/PostDominators.h"
#include "llvm/IR/InstrTypes.h"
#include "llvm/IR/Instructions.h"

using namespace llvm;

namespace {

class Company {
public:
  Company(RewireIndex &index, const uint8_t *states, bool (*want)(void *, size_t), void *data)
      : index(index), states(states), want(want), data(data) {}

  void run(Function &first) {
    found.insert(&first);
    for (size_t i = 0; i < found.size() && found.size() < kMost; ++i)
      if (read(*found[i]))
        walk(*found[i]);
  }

private:
  // More than these save little, and keep the first one waiting.
  static constexpr size_t kMost = 16;

  RewireIndex &index;
  const uint8_t *states;
  bool (*want)(void *, size_t);
  void *data;
  SetVector<Function *, SmallVector<Function *, 16>> found;

  // Whoever compiles the function will say what is wrong with it.
  static bool read(Function &function) {
    char *message = nullptr;
    if (!rewire_materialize(wrap(&function), &message))
      return true;
    LLVMDisposeMessage(message);
    return false;
  }

  // The blocks that every way through the function passes are its first one's post-dominators.
  void walk(Function &function) {
    if (function.isDeclaration())
      return;
    PostDominatorTree tree(function);
    const auto *node = tree.getNode(&function.getEntryBlock());
    for (; node && node->getBlock(); node = node->getIDom())
      for (const Instruction &instruction : *node->getBlock()) {
        const auto *call = dyn_cast<CallBase>(&instruction);
        if (!call)
          continue;
        if (auto *callee = dyn_cast<Function>(call->getCalledOperand()))
          consider(*const_cast<Function *>(callee));
        if (call->doesNotReturn())
          return;
      }
  }

  void consider(Function &callee) {
    if (callee.isIntrinsic() || found.size() >= kMost || found.contains(&callee))
      return;
    if (callee.isDeclaration() || callee.hasFnAttribute(Attribute::AlwaysInline) ||
        index.taken.contains(&callee))
      return;
    size_t ordinal = index.ordinals.lookup(&callee);
    if (__atomic_load_n(&states[ordinal], __ATOMIC_RELAXED) == REWIRE_ELECTED &&
        want(data, ordinal))
      found.insert(&callee);
  }
};

} // namespace

void rewire_surely_called(RewireIndex *index, size_t function, const uint8_t *states,
                          bool (*want)(void *data, size_t ordinal), void *data) {
  if (auto *first = dyn_cast<Function>(index->globals[function]))
    Company(*index, states, want, data).run(*first);
}
