// What each definition of a module names: for people who want to see it, not for linking.

#include "index.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstrTypes.h"
#include "llvm/Object/ModuleSymbolTable.h"

using namespace llvm;
using namespace rewire;

namespace {

struct Use {
  size_t calls = 0;
  bool refers = false;
};

class Walk {
public:
  explicit Walk(const GlobalValue &self) : self(self) {}

  MapVector<const GlobalValue *, Use> found;

  void call(const GlobalValue &callee) { ++found[&callee].calls; }

  // Everything that a value leads to without passing through another global.
  void reference(const Value &value) {
    const auto *first = dyn_cast<Constant>(&value);
    if (!first)
      return;
    SmallVector<const Constant *, 8> left{first};
    while (!left.empty()) {
      const Constant *constant = left.pop_back_val();
      if (const auto *global = dyn_cast<GlobalValue>(constant)) {
        found[global].refers = true;
        continue;
      }
      if (const auto *label = dyn_cast<BlockAddress>(constant)) {
        // A function's own labels name nobody else.
        if (label->getFunction() != &self)
          found[label->getFunction()].refers = true;
        continue;
      }
      if (constant->getNumOperands() == 0 || !seen.insert(constant).second)
        continue;
      for (const llvm::Use &operand : constant->operands())
        if (const auto *part = dyn_cast<Constant>(operand.get()))
          left.push_back(part);
    }
  }

private:
  const GlobalValue &self;
  SmallPtrSet<const Constant *, 16> seen;
};

void walkBody(const Function &function, Walk &walk, RewireSize &size) {
  // Personality, prefix and prologue data.
  for (const llvm::Use &operand : function.operands())
    walk.reference(*operand);
  size.blocks = function.size();
  for (const BasicBlock &block : function)
    for (const Instruction &instruction : block) {
      ++size.instructions;
      const auto *call = dyn_cast<CallBase>(&instruction);
      const auto *callee =
          call ? dyn_cast<GlobalValue>(call->getCalledOperand()->stripPointerCasts()) : nullptr;
      if (callee)
        walk.call(*callee);
      else if (call && call->isIndirectCall())
        ++size.indirect_calls;
      for (const llvm::Use &operand : instruction.operands())
        if (!callee || !call->isCallee(&operand))
          walk.reference(*operand);
    }
}

} // namespace

void rewire_contents(const RewireIndex *index, size_t ordinal, RewireSize *size,
                     void (*entry)(void *, size_t, size_t, bool), void *data) {
  const GlobalValue &global = *index->globals[ordinal];
  Walk walk(global);
  if (const auto *function = dyn_cast<Function>(&global))
    walkBody(*function, walk, *size);
  else if (const auto *variable = dyn_cast<GlobalVariable>(&global);
           variable && variable->hasInitializer())
    walk.reference(*variable->getInitializer());
  for (const auto &[used, use] : walk.found) {
    auto place = index->ordinals.find(used);
    if (place != index->ordinals.end())
      entry(data, place->second, use.calls, use.refers);
  }
}

void rewire_inline_assembly(const RewireIndex *index,
                            void (*entry)(void *, size_t, const char *, size_t), void *data) {
  for (const Function &function : index->module)
    for (const BasicBlock &block : function)
      for (const Instruction &instruction : block)
        if (const auto *call = dyn_cast<CallBase>(&instruction))
          if (const auto *piece = dyn_cast<InlineAsm>(call->getCalledOperand())) {
            StringRef text = piece->getAsmString();
            entry(data, index->ordinals.lookup(&function), text.data(), text.size());
          }
}

void rewire_assembly_names(const RewireIndex *index, void (*entry)(void *, const char *, size_t),
                           void *data) {
  using object::BasicSymbolRef;
  ModuleSymbolTable::CollectAsmSymbols(
      index->module, [&](StringRef name, BasicSymbolRef::Flags flags) {
        if (!(flags & BasicSymbolRef::SF_Undefined))
          entry(data, name.data(), name.size());
      });
}
