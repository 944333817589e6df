// See loop_heads.h.

#include "loop_heads.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/PostOrderIterator.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Analysis/CFG.h"
#include "llvm/IR/CFG.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/EHPersonalities.h"
#include "llvm/IR/GlobalVariable.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Operator.h"
#include <optional>
#include <utility>
#include <vector>

using namespace llvm;
using namespace rewire;

// What ties the rest of a function to the frame that it began in.
static bool isTied(const Instruction &instruction) {
  if (isa<CallBrInst>(instruction) || isa<FuncletPadInst>(instruction) ||
      isa<CatchSwitchInst>(instruction))
    return true;
  if (auto *alloca = dyn_cast<AllocaInst>(&instruction))
    return alloca->isUsedWithInAlloca() || alloca->isSwiftError();
  auto *call = dyn_cast<CallBase>(&instruction);
  if (!call)
    return false;
  if (call->isMustTailCall() || call->hasFnAttr(Attribute::ReturnsTwice))
    return true;
  const Function *callee = call->getCalledFunction();
  if (!callee || !callee->isIntrinsic())
    return false;
  switch (callee->getIntrinsicID()) {
  case Intrinsic::vastart:
  case Intrinsic::stackrestore:
  case Intrinsic::frameaddress:
  case Intrinsic::returnaddress:
  case Intrinsic::addressofreturnaddress:
  case Intrinsic::sponentry:
  case Intrinsic::localescape:
  case Intrinsic::gcroot:
  case Intrinsic::eh_sjlj_setjmp:
  case Intrinsic::eh_sjlj_longjmp:
  case Intrinsic::call_preallocated_setup:
    return true;
  default:
    return callee->getName().starts_with("llvm.coro.") ||
           callee->getName().starts_with("llvm.experimental.");
  }
}

static bool canGoOnElsewhere(const Function &function) {
  if (function.hasFnAttribute(Attribute::Naked) || function.hasGC() ||
      function.isPresplitCoroutine() || function.hasFnAttribute("split-stack"))
    return false;
  if (function.hasPersonalityFn() &&
      isFuncletEHPersonality(classifyEHPersonality(function.getPersonalityFn())))
    return false;
  for (const Argument &argument : function.args())
    if (argument.hasSwiftErrorAttr() || argument.hasInAllocaAttr() ||
        argument.hasPreallocatedAttr())
      return false;
  return llvm::none_of(instructions(function), isTied);
}

// Whether a value can be written to memory and read back.
static bool isStorable(const Value &value) {
  const Type *type = value.getType();
  return type->isFirstClassType() && type->isSized() && !type->isTokenTy() &&
         !type->isX86_AMXTy() && !type->isTargetExtTy() && !type->isScalableTy();
}

namespace {

class Finder {
public:
  Finder(Function &function, LoopHeads::Detail detail)
      : function(function), layout(function.getDataLayout()), detail(detail) {}

  LoopHeads run() {
    findBlocks();
    if (found.heads.empty() || !canGoOnElsewhere(function) || !findLabels())
      return {};
    prepareFlow();
    findVariables();
    if (detail != LoopHeads::Detail::Places)
      findValues();
    if (failed)
      return {};
    layOut();
    return std::move(found);
  }

private:
  Function &function;
  const DataLayout &layout;
  const LoopHeads::Detail detail;
  LoopHeads found;
  // What is asked of each block again and again, by the block's number.
  struct BlockFlow {
    // The loop head that it is.
    std::optional<unsigned> head;
    // By the indices of `values`: what is live where the block begins, and what it defines.
    BitVector live, defined;
  };
  std::vector<BlockFlow> flow;
  // Values that are used outside the block that defines them, and phis of heads.
  std::vector<std::pair<Value *, const BasicBlock *>> values;
  BitVector is_at_head, passing;
  // What is computed from a variable's address, for variables that are private otherwise.
  DenseMap<const Value *, unsigned> derived;
  bool failed = false;

  // In the order of the blocks.
  void findBlocks() {
    SmallVector<std::pair<const BasicBlock *, const BasicBlock *>, 8> edges;
    FindFunctionBackedges(function, edges);
    SmallPtrSet<const BasicBlock *, 8> targets;
    for (auto [from, to] : edges)
      targets.insert(to);
    for (BasicBlock &block : function)
      if (targets.contains(&block) && !block.isEHPad())
        found.heads.push_back({&block, {}, {}});
  }

  void prepareFlow() {
    if (detail == LoopHeads::Detail::Places)
      return;
    flow.resize(function.getMaxBlockNumber());
    for (unsigned i = 0; i < found.heads.size(); ++i)
      flow[found.heads[i].block->getNumber()].head = i;
  }

  static bool isVariable(const Instruction &instruction) {
    auto *alloca = dyn_cast<AllocaInst>(&instruction);
    return alloca && alloca->isStaticAlloca();
  }

  // Addresses of blocks mean nothing in another body, so each must be known wherever it may be:
  // in a constant table, or on the way from there to a jump.
  bool findLabels() {
    SmallVector<Value *, 8> work;
    for (BasicBlock &block : function)
      if (auto *jump = dyn_cast<IndirectBrInst>(block.getTerminator()))
        work.push_back(jump->getAddress());
    while (!work.empty()) {
      Value *value = work.pop_back_val();
      if (isa<BlockAddress>(value) || !found.label_values.insert(value).second)
        continue;
      if (auto *phi = dyn_cast<PHINode>(value)) {
        append_range(work, phi->incoming_values());
      } else if (auto *choice = dyn_cast<SelectInst>(value)) {
        work.push_back(choice->getTrueValue());
        work.push_back(choice->getFalseValue());
      } else {
        auto *load = dyn_cast<LoadInst>(value);
        auto *table = load ? dyn_cast<GlobalVariable>(
                                 getUnderlying(load->getPointerOperand()))
                           : nullptr;
        if (!table || !table->isConstant())
          return false;
      }
    }
    for (const Value *value : found.label_values)
      for (const User *user : value->users())
        if (!isa<IndirectBrInst>(user) && !found.label_values.contains(user))
          return false;
    for (BasicBlock &block : function) {
      if (!block.hasAddressTaken())
        continue;
      found.labels.push_back(&block);
      if (BlockAddress *address = BlockAddress::lookup(&block); address && !isKnown(*address))
        return false;
    }
    return true;
  }

  static const Value *getUnderlying(const Value *pointer) {
    while (auto *step = dyn_cast<GEPOperator>(pointer))
      pointer = step->getPointerOperand();
    return pointer;
  }

  bool isKnown(const Constant &address) const {
    for (const User *user : address.users()) {
      if (auto *instruction = dyn_cast<Instruction>(user)) {
        if (!isa<IndirectBrInst>(instruction) && !found.label_values.contains(instruction))
          return false;
      } else if (auto *variable = dyn_cast<GlobalVariable>(user)) {
        if (!variable->isConstant())
          return false;
      } else if (!isa<ConstantAggregate>(user) || !isKnown(*cast<Constant>(user))) {
        return false;
      }
    }
    return true;
  }

  // What an instruction does with a variable that only loads, stores and copies name.
  struct Access {
    // Whether what the variable holds may matter.
    bool reads = false;
    // Whether nothing that it holds matters any more.
    bool ends = false;
    // The bytes that are written, if they are known.
    uint64_t offset = 0, size = 0;
  };
  using Accesses = SmallMapVector<const Instruction *, Access, 16>;

  void findVariables() {
    for (Instruction &instruction : function.getEntryBlock()) {
      if (!isVariable(instruction))
        continue;
      auto &alloca = cast<AllocaInst>(instruction);
      const unsigned index = found.variables.size();
      if (detail != LoopHeads::Detail::Contents) {
        found.variables.push_back({&alloca, 0, false});
        continue;
      }
      Accesses accesses;
      const bool is_private = findAccesses(alloca, index, accesses);
      found.variables.push_back({&alloca, 0, is_private});
      if (is_private) {
        noteContents(alloca, accesses, index);
      } else {
        for (LoopHead &head : found.heads)
          head.contents.push_back(index);
      }
    }
  }

  // Whether only loads, stores and copies name the variable; if so, which.
  bool findAccesses(AllocaInst &alloca, unsigned index, Accesses &accesses) {
    // Addresses in the variable, and how far from its start where that is known.
    SmallVector<std::pair<Value *, std::optional<uint64_t>>, 8> work{{&alloca, 0}};
    while (!work.empty()) {
      auto [value, offset] = work.pop_back_val();
      for (const Use &use : value->uses()) {
        auto *user = cast<Instruction>(use.getUser());
        Access &access = accesses[user];
        if (isa<LifetimeIntrinsic>(user)) {
          access.ends = true;
        } else if (auto *load = dyn_cast<LoadInst>(user)) {
          access.reads = true;
        } else if (auto *copy = dyn_cast<MemIntrinsic>(user)) {
          auto *length = dyn_cast<ConstantInt>(copy->getLength());
          if (&use != &copy->getRawDestUse())
            access.reads = true;
          else if (offset && length)
            access.offset = *offset, access.size = length->getZExtValue();
        } else if (auto *store = dyn_cast<StoreInst>(user)) {
          if (store->getValueOperand() == value)
            return false;
          if (offset)
            access.offset = *offset,
            access.size = layout.getTypeStoreSize(store->getValueOperand()->getType())
                              .getFixedValue();
        } else if (auto *step = dyn_cast<GetElementPtrInst>(user)) {
          derived[step] = index;
          APInt distance(layout.getIndexTypeSizeInBits(step->getType()), 0);
          const bool is_known = offset && step->accumulateConstantOffset(layout, distance);
          work.push_back({step, is_known ? std::optional(*offset + distance.getZExtValue())
                                         : std::nullopt});
        } else {
          return false;
        }
      }
    }
    return true;
  }

  // Whether a block reads what a variable held when the block began; or writes all of it first.
  enum class Effect { None, Reads, Defines };
  static Effect effectOf(const BasicBlock &block, const Accesses &accesses, uint64_t size) {
    constexpr uint64_t kMostTracked = 64;
    BitVector written(size <= kMostTracked ? size : 0);
    for (const Instruction &instruction : block) {
      auto found = accesses.find(&instruction);
      if (found == accesses.end())
        continue;
      const Access &access = found->second;
      if (access.reads)
        return Effect::Reads;
      if (access.ends || (access.offset == 0 && access.size >= size))
        return Effect::Defines;
      if (access.offset + access.size <= written.size() && access.size > 0) {
        written.set(access.offset, access.offset + access.size);
        if (written.all())
          return Effect::Defines;
      }
    }
    return Effect::None;
  }

  // The heads at which what a variable holds is used later.
  void noteContents(const AllocaInst &alloca, const Accesses &accesses, unsigned index) {
    const auto allocated = alloca.getAllocationSize(layout);
    const uint64_t size = allocated ? allocated->getFixedValue() : UINT64_MAX;
    SmallPtrSet<const BasicBlock *, 16> defines, seen, looked_at;
    SmallVector<const BasicBlock *, 16> work;
    for (auto &[instruction, access] : accesses) {
      const BasicBlock *block = instruction->getParent();
      if (!looked_at.insert(block).second)
        continue;
      switch (effectOf(*block, accesses, size)) {
      case Effect::Reads:
        work.push_back(block);
        break;
      case Effect::Defines:
        defines.insert(block);
        break;
      case Effect::None:
        break;
      }
    }
    while (!work.empty()) {
      const BasicBlock *block = work.pop_back_val();
      if (!seen.insert(block).second)
        continue;
      if (const auto head = flow[block->getNumber()].head)
        found.heads[*head].contents.push_back(index);
      for (const BasicBlock *before : predecessors(block))
        if (!defines.contains(before))
          work.push_back(before);
    }
  }

  // Finds the values that are live at each head: by the usual equations of liveness, with a bit for
  // each value that more than one block knows.
  void findValues() {
    for (Argument &argument : function.args())
      addValue(argument, &function.getEntryBlock());
    for (Instruction &instruction : instructions(function))
      if (!isVariable(instruction))
        addValue(instruction, instruction.getParent());
    for (BlockFlow &block : flow) {
      block.live.resize(values.size());
      block.defined.resize(values.size());
    }
    for (unsigned i = 0; i < values.size(); ++i) {
      auto [value, defined] = values[i];
      flow[defined->getNumber()].defined.set(i);
      for (const Use &use : value->uses())
        if (const BasicBlock *block = blockOf(use); block != defined)
          flow[block->getNumber()].live.set(i);
    }
    const SmallVector<const BasicBlock *, 32> order(post_order(&function));
    for (bool is_changed = true; is_changed;) {
      is_changed = false;
      for (const BasicBlock *block : order)
        is_changed |= flowInto(*block);
    }
    is_at_head.resize(values.size());
    for (unsigned i = 0; i < found.heads.size(); ++i)
      takeValues(i);
  }

  void addValue(Value &value, const BasicBlock *defined) {
    const bool is_met = isa<PHINode>(value) && flow[defined->getNumber()].head;
    if (is_met ? !value.use_empty() : llvm::any_of(value.uses(), [&](const Use &use) {
          return blockOf(use) != defined;
        }))
      values.push_back({&value, defined});
  }

  // Adds what is live where a block ends and isn't defined there; true if that is news.
  bool flowInto(const BasicBlock &block) {
    BlockFlow &own = flow[block.getNumber()];
    passing.clear();
    passing.resize(values.size());
    for (const BasicBlock *next : successors(&block))
      passing |= flow[next->getNumber()].live;
    passing.reset(own.defined);
    if (!passing.test(own.live))
      return false;
    own.live |= passing;
    return true;
  }

  void takeValues(unsigned index) {
    LoopHead &head = found.heads[index];
    const BlockFlow &own = flow[head.block->getNumber()];
    for (unsigned i = 0; i < values.size(); ++i) {
      auto [value, defined] = values[i];
      const bool is_met = isa<PHINode>(value) && defined == head.block;
      if (!is_met && !own.live.test(i))
        continue;
      failed |= !isStorable(*value);
      head.values.push_back({value, 0});
      is_at_head.set(i);
      if (auto from = derived.find(value); from != derived.end())
        found.variables[from->second].is_private = false;
    }
  }

  void layOut() {
    uint64_t next = 0;
    const auto take = [&](Type *type) {
      const uint64_t at = alignTo(next, std::min<uint64_t>(layout.getABITypeAlign(type).value(), 16));
      next = at + layout.getTypeStoreSize(type).getFixedValue();
      return at;
    };
    if (!function.getReturnType()->isVoidTy())
      take(function.getReturnType());
    Type *pointer = PointerType::get(function.getContext(), 0);
    found.target_offset = take(pointer);
    found.label_table_offset = take(pointer);
    found.frame_buffer_size = next;
    for (FrameVariable &variable : found.variables)
      variable.offset = take(pointer);
    for (unsigned i : is_at_head.set_bits())
      found.values[values[i].first] = take(values[i].first->getType());
    for (LoopHead &head : found.heads)
      for (auto &[value, offset] : head.values)
        offset = found.values.lookup(value);
    found.buffer_size = next;
  }
};

} // namespace

LoopHeads LoopHeads::of(Function &function, Detail detail) {
  if (function.size() < 2)
    return {};
  Type *result = function.getReturnType();
  if (!result->isVoidTy() && (!result->isSized() || result->isTargetExtTy()))
    return {};
  return Finder(function, detail).run();
}

// Adds what needs a value; false if that isn't assumptions alone.
static bool findAssumptions(Value &value, SmallSetVector<Instruction *, 8> &found) {
  for (User *user : value.users()) {
    auto *instruction = cast<Instruction>(user);
    if (found.contains(instruction))
      continue;
    const bool is_assumption = isa<AssumeInst>(instruction);
    if (!is_assumption && (instruction->mayHaveSideEffects() || instruction->isTerminator() ||
                           instruction->isEHPad()))
      return false;
    found.insert(instruction);
    if (!findAssumptions(*instruction, found))
      return false;
  }
  return true;
}

void LoopHeads::stayInFrame() {
  is_in_frame = true;
  buffer_size = frame_buffer_size;
}

bool LoopHeads::stayInFrameAt(ArrayRef<int32_t> places) {
  stayInFrame();
  size_t expected = variables.size();
  for (const LoopHead &head : heads)
    expected += head.values.size();
  if (places.size() != expected)
    return false;
  SmallSetVector<Instruction *, 8> unneeded;
  for (LoopHead &head : heads)
    for (auto &[value, place] : head.values) {
      place = places.consume_front();
      if (place == kNowhere && !findAssumptions(*value, unneeded))
        return false;
    }
  for (FrameVariable &variable : variables) {
    variable.offset = places.consume_front();
    if (variable.offset == kNowhere)
      return false;
  }
  for (LoopHead &head : heads)
    erase_if(head.values, [&](const std::pair<Value *, int64_t> &one) {
      auto *instruction = dyn_cast<Instruction>(one.first);
      return one.second == kNowhere || (instruction && unneeded.contains(instruction));
    });
  for (Instruction *instruction : unneeded)
    if (!instruction->use_empty())
      instruction->replaceAllUsesWith(PoisonValue::get(instruction->getType()));
  for (Instruction *instruction : unneeded)
    instruction->eraseFromParent();
  return true;
}

// Short vectors are in the lower half of a register.
static bool isSseVector(const Type &type) {
  auto *vector = dyn_cast<FixedVectorType>(&type);
  const unsigned size = vector ? vector->getPrimitiveSizeInBits().getFixedValue() : 0;
  if (size != 128 && size != 64)
    return false;
  const Type &part = *vector->getElementType();
  if (size == 128 && (part.isDoubleTy() || part.isIntegerTy(64)))
    return true;
  return part.isFloatTy() || part.isIntegerTy(8) || part.isIntegerTy(16) || part.isIntegerTy(32);
}

// Whether values of a type are in one register of the machine.
static bool isInOneRegister(const Type &type) {
  return type.isFloatTy() || type.isDoubleTy() ||
         (type.isPointerTy() && type.getPointerAddressSpace() == 0) ||
         (type.isIntegerTy() && type.getIntegerBitWidth() <= 64) || isSseVector(type);
}

bool rewire::haveSlots(const Function &function) {
  for (const Argument &argument : function.args())
    if (!isInOneRegister(*argument.getType()))
      return false;
  // Where a frame is aligned anew, variables that are arguments have no fixed distance to it.
  constexpr Align kOfFrames = Align::Constant<16>();
  for (const Instruction &instruction : instructions(function)) {
    if (auto *variable = dyn_cast<AllocaInst>(&instruction);
        variable && variable->getAlign() > kOfFrames)
      return false;
    const Type &type = *instruction.getType();
    if (type.isVoidTy() || isInOneRegister(type))
      continue;
    // A body is left before the phis of a head take their values from where these meet.
    if (isa<PHINode>(instruction) || instruction.isUsedOutsideOfBlock(instruction.getParent()))
      return false;
  }
  return true;
}
