// See buffered_values.h.

#include "buffered_values.h"
#include "llvm/IR/DebugInfo.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"

using namespace llvm;
using namespace rewire;

namespace {

class Keeper {
public:
  Keeper(Function &function, AllocaInst &buffer)
      : function(function), buffer(buffer), byte(Type::getInt8Ty(function.getContext())) {}

  void keep(Value &value, uint64_t offset) {
    auto *instruction = dyn_cast<Instruction>(&value);
    const auto [block, behind] = definitionOf(instruction);
    SmallVector<Use *, 16> uses;
    for (Use &use : value.uses())
      if (blockOf(use) != block)
        uses.push_back(&use);
    IRBuilder<> storing(block, behind);
    storing.CreateAlignedStore(&value, at(storing, offset), kUnaligned);
    for (Use *use : uses)
      load(*use, offset);
    tellDebuggers(value, offset);
  }

private:
  Function &function;
  AllocaInst &buffer;
  Type *byte;
  // Where a block that values come from by several edges loads them for a phi.
  DenseMap<std::pair<const BasicBlock *, const Value *>, Value *> at_end;

  // Where a value is known first.
  std::pair<BasicBlock *, BasicBlock::iterator> definitionOf(Instruction *instruction) {
    if (!instruction)
      return {buffer.getParent(), std::next(buffer.getIterator())};
    if (auto *invoke = dyn_cast<InvokeInst>(instruction)) {
      BasicBlock *normal = invoke->getNormalDest();
      if (!normal->getSinglePredecessor())
        normal = SplitEdge(invoke->getParent(), normal);
      return {normal, normal->getFirstInsertionPt()};
    }
    BasicBlock *block = instruction->getParent();
    const bool is_at_start = isa<PHINode>(instruction) || instruction->isEHPad();
    return {block, is_at_start ? block->getFirstInsertionPt()
                               : std::next(instruction->getIterator())};
  }

  void load(Use &use, uint64_t offset) {
    auto *user = cast<Instruction>(use.getUser());
    Value *value = use.get();
    if (!isa<PHINode>(user)) {
      IRBuilder<> loading(user);
      use.set(loading.CreateAlignedLoad(value->getType(), at(loading, offset), kUnaligned));
      return;
    }
    // A phi has one value for all edges from one block.
    BasicBlock *block = blockOf(use);
    Value *&loaded = at_end[{block, value}];
    if (!loaded) {
      IRBuilder<> loading(block->getTerminator());
      loaded = loading.CreateAlignedLoad(value->getType(), at(loading, offset), kUnaligned);
    }
    use.set(loaded);
  }

  Value *at(IRBuilder<> &builder, uint64_t offset) {
    return builder.CreateConstInBoundsGEP1_64(byte, &buffer, offset);
  }

  // A variable whose value is known in one block only would be "optimised out" in all others.
  void tellDebuggers(Value &value, uint64_t offset) {
    SmallVector<DbgVariableRecord *, 2> records;
    findDbgUsers(&value, records);
    for (DbgVariableRecord *record : records) {
      if (record->getNumVariableLocationOps() != 1 || record->getExpression()->isComplex())
        continue;
      record->replaceVariableLocationOp(&value, &buffer);
      record->setExpression(
          DIExpression::prepend(record->getExpression(), DIExpression::DerefAfter, offset));
    }
  }
};

} // namespace

void rewire::keepInBuffer(Function &function, const LoopHeads &heads, AllocaInst &buffer) {
  Keeper keeper(function, buffer);
  for (auto [value, offset] : heads.values)
    keeper.keep(*value, offset);
}
