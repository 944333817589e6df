// Leaving a body at the head of one of its loops, and going on in another.
//
// A body that may be left has a check at its loop heads: of a count (the loop is hot, and an
// optimised body should go on), or of a flag (the body holds a copy of another function that was
// replaced since). When the check strikes, the body asks the engine, which answers with the
// address of a continuation: a body of the same function that begins at that head.
//
// The frame that was entered by the call of the function stays until the function returns, since
// pointers to its variables may be anywhere. It holds the transfer buffer, and calls the
// continuation with it. A continuation returns null once it has put the function's result in the
// buffer, or the address of the next continuation: so a loop that goes on for ever, while functions
// are replaced again and again, needs no more stack.
//
// Variables of that frame which only the function itself can name move into the continuation, so
// that they can be in registers; of all others it uses the frame's.
//
// Values are handed over in the transfer buffer, or stay in the frame of a quick body
// (frame_layout.h), where all continuations that follow it read and leave them.

#include "continuations.h"
#include "buffered_values.h"
#include "codegen.h"
#include "frame_layout.h"
#include "index.h"
#include "loop_counts.h"
#include "loop_heads.h"
#include "llvm/ADT/DepthFirstIterator.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/MDBuilder.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"
#include "llvm/Transforms/Utils/Local.h"
#include "llvm/Transforms/Utils/SSAUpdater.h"

using namespace llvm;
using namespace rewire;

// Larger variables aren't moved.
static constexpr uint64_t kMostMoved = 4096;

// Stand for what is stored when a loop is left, until inlining has shown which variables other
// functions may know: the address of a variable, or of a copy, goes into the transfer buffer, and
// the contents into the copy.
static constexpr StringLiteral kLeaveVariable = "rewire.leave.variable";
static constexpr StringLiteral kLeaveContents = "rewire.leave.contents";

namespace {

enum class Check { Count, Poll };

// What is read and written for a value. Of the last byte that a small number takes of its stack
// slot, the bits beyond the number may be anything.
Type *inMemory(Type *type) {
  return type->isIntegerTy()
             ? IntegerType::get(type->getContext(), alignTo(type->getIntegerBitWidth(), 8))
             : type;
}

// What is done with what a body knows at its heads.
enum class Keeping {
  // Stored into the buffer when a loop is left, or earlier.
  InBuffer,
  // Left where the code generator has it; it also adds the checks.
  InFrame,
};

// Which check the bodies of a module have, and the words that it reads: one for each head. Counts
// begin below 0, and strike from there on.
struct Kind {
  Check check;
  Keeping keeping;
  GlobalVariable *words;

  Kind(Module &module, Check check, uint32_t limit, size_t heads,
       Keeping keeping = Keeping::InBuffer)
      : check(check), keeping(keeping) {
    auto *type = Type::getInt32Ty(module.getContext());
    const uint32_t first = check == Check::Count ? -limit : 0;
    const SmallVector<uint32_t, 16> counts(heads, first);
    Constant *start = ConstantDataArray::get(module.getContext(), counts);
    words = new GlobalVariable(module, ArrayType::get(type, heads), false,
                               GlobalValue::InternalLinkage, start, kLoopWords, nullptr,
                               GlobalValue::NotThreadLocal, std::nullopt,
                               /*isExternallyInitialized=*/true);
  }
};

FunctionCallee declareAsk(Module &module) {
  LLVMContext &context = module.getContext();
  auto *pointer = PointerType::get(context, 0);
  auto *type = FunctionType::get(pointer, {Type::getInt32Ty(context), pointer}, false);
  return module.getOrInsertFunction(kAskAtLoop, type);
}

class Checks {
public:
  // The function's words begin with the one numbered `first`.
  Checks(Function &body, LoopHeads &heads, const Kind &kind, size_t first)
      : body(body), module(*body.getParent()), context(body.getContext()), heads(heads),
        kind(kind), first_word(first), pointer(PointerType::get(context, 0)),
        word(Type::getInt32Ty(context)) {}

  // In a body that is entered by a call.
  void addToNormal(ArrayRef<unsigned> at_heads) {
    IRBuilder<> entry(&body.getEntryBlock(), body.getEntryBlock().begin());
    auto *bytes = ArrayType::get(Type::getInt8Ty(context), heads.buffer_size);
    AllocaInst *space = entry.CreateAlloca(bytes, nullptr, "");
    space->setAlignment(Align(16));
    buffer = space;
    BranchInst *leaving = callContinuations(entry);
    if (kind.keeping == Keeping::InFrame) {
      for (unsigned index : at_heads)
        markHead(*heads.heads[index].block, index);
      keepReachable(*leaving->getParent(), *space);
      markLeaving(*leaving, *space, {static_cast<uint32_t>(first_word), heads.target_offset});
      return;
    }
    splitHeads(at_heads);
    if (kind.check == Check::Count)
      keepInBuffer(body, heads, *space);
    addAll(at_heads, [&](IRBuilder<> &crossing, const LoopHead &head, Value *target) {
      if (kind.check == Check::Poll)
        storeValues(crossing, head);
      for (unsigned index : head.contents)
        if (auto copy = outside.lookup(index))
          crossing.CreateCall(marker(kLeaveContents, {pointer, pointer}),
                              {heads.variables[index].alloca, copy});
      crossing.CreateStore(target, at(crossing, heads.target_offset));
      crossing.CreateBr(leaving->getParent());
    });
  }

  // In a continuation, whose buffer already has the variables' addresses.
  void addToContinuation(ArrayRef<unsigned> at_heads, ArrayRef<Value *> frame) {
    splitHeads(at_heads);
    addAll(at_heads, [&](IRBuilder<> &crossing, const LoopHead &head, Value *target) {
      storeValues(crossing, head);
      for (unsigned index : head.contents)
        if (frame[index])
          copyVariable(crossing, frame[index], heads.variables[index].alloca,
                       heads.variables[index]);
      if (!heads.labels.empty())
        crossing.CreateStore(labelTable(), at(crossing, heads.label_table_offset));
      crossing.CreateRet(target);
    });
  }

  Constant *labelTable() {
    if (label_table)
      return label_table;
    SmallVector<Constant *, 16> addresses;
    for (BasicBlock *block : heads.labels)
      addresses.push_back(BlockAddress::get(block));
    auto *type = ArrayType::get(pointer, addresses.size());
    label_table = new GlobalVariable(module, type, true, GlobalValue::InternalLinkage,
                                     ConstantArray::get(type, addresses), "rewire.labels");
    return label_table;
  }

  Value *at(IRBuilder<> &builder, int64_t offset) {
    return builder.CreateConstInBoundsGEP1_64(Type::getInt8Ty(context), buffer, offset);
  }

  void copyVariable(IRBuilder<> &builder, Value *to, Value *from, const FrameVariable &variable) {
    const DataLayout &layout = module.getDataLayout();
    const uint64_t size = variable.alloca->getAllocationSize(layout)->getFixedValue();
    builder.CreateMemCpy(to, variable.alloca->getAlign(), from, variable.alloca->getAlign(), size);
  }

  bool moves(const FrameVariable &variable) const {
    return variable.is_private && isSmall(*variable.alloca);
  }

  Value *buffer = nullptr;

private:
  Function &body;
  Module &module;
  LLVMContext &context;
  LoopHeads &heads;
  const Kind &kind;
  size_t first_word;
  PointerType *pointer;
  IntegerType *word;
  GlobalVariable *label_table = nullptr;
  // Where a variable is put for the continuation, so that it can be in a register until then.
  DenseMap<unsigned, Value *> outside;

  bool isSmall(const AllocaInst &variable) const {
    const auto size = variable.getAllocationSize(module.getDataLayout());
    return size && size->getFixedValue() <= kMostMoved;
  }

  void storeVariables(IRBuilder<> &leaving, IRBuilder<> &entry) {
    for (unsigned i = 0; !heads.is_in_frame && i < heads.variables.size(); ++i) {
      const FrameVariable &variable = heads.variables[i];
      AllocaInst *alloca = variable.alloca;
      Value *place = at(leaving, variable.offset);
      if (kind.check == Check::Count || !isSmall(*alloca)) {
        leaving.CreateStore(alloca, place);
        continue;
      }
      auto *copy = entry.CreateAlloca(alloca->getAllocatedType(), alloca->getArraySize());
      copy->setAlignment(alloca->getAlign());
      outside[i] = copy;
      leaving.CreateCall(marker(kLeaveVariable, {pointer, pointer, pointer}),
                         {alloca, copy, place});
    }
    if (!heads.labels.empty())
      leaving.CreateStore(labelTable(), at(leaving, heads.label_table_offset));
  }

  FunctionCallee marker(StringRef name, ArrayRef<Type *> parameters) {
    Type *nothing = Type::getVoidTy(context);
    FunctionCallee callee =
        module.getOrInsertFunction(name, FunctionType::get(nothing, parameters, false));
    auto *function = cast<Function>(callee.getCallee());
    function->addFnAttr(Attribute::NoUnwind);
    function->addFnAttr(Attribute::NoMerge);
    return callee;
  }

  // Makes the code that calls the continuation whose address the buffer has, and those that follow
  // it, and returns the function's result. Returns the end of its first block.
  BranchInst *callContinuations(IRBuilder<> &entry) {
    auto *leave = BasicBlock::Create(context, "", &body);
    auto *again = BasicBlock::Create(context, "", &body);
    auto *done = BasicBlock::Create(context, "", &body);
    IRBuilder<> leaving(leave);
    storeVariables(leaving, entry);
    Value *first = leaving.CreateLoad(pointer, at(leaving, heads.target_offset));
    BranchInst *end = leaving.CreateBr(again);
    IRBuilder<> calling(again);
    PHINode *next = calling.CreatePHI(pointer, 2);
    next->addIncoming(first, leave);
    auto *type = FunctionType::get(pointer, {pointer}, false);
    CallInst *call = calling.CreateCall(type, next, {buffer});
    call->setTailCallKind(CallInst::TCK_NoTail);
    next->addIncoming(call, again);
    calling.CreateCondBr(calling.CreateIsNull(call), done, again);
    IRBuilder<> finishing(done);
    Type *result = body.getReturnType();
    if (result->isVoidTy())
      finishing.CreateRetVoid();
    else
      finishing.CreateRet(finishing.CreateAlignedLoad(result, buffer, kUnaligned));
    return end;
  }

  // Code generators drop blocks that nothing leads to in IR, so an edge is added that is never
  // taken.
  void keepReachable(BasicBlock &block, Value &not_null) {
    BasicBlock *from = nullptr;
    for (BasicBlock &other : body)
      if (auto *jump = dyn_cast<BranchInst>(other.getTerminator());
          jump && jump->isUnconditional() && &other != &block &&
          (other.isEntryBlock() || !pred_empty(&other))) {
        from = &other;
        break;
      }
    if (!from) {
      from = &body.getEntryBlock();
      from->splitBasicBlock(from->getTerminator());
    }
    Instruction *end = from->getTerminator();
    IRBuilder<> builder(end);
    BranchInst *either = builder.CreateCondBr(builder.CreateIsNull(&not_null), &block,
                                              end->getSuccessor(0));
    either->copyMetadata(*end);
    end->eraseFromParent();
  }

  void splitHeads(ArrayRef<unsigned> chosen) {
    for (unsigned index : chosen) {
      BasicBlock *block = heads.heads[index].block;
      block->splitBasicBlock(block->getFirstNonPHIIt());
    }
  }

  void storeValues(IRBuilder<> &crossing, const LoopHead &head) {
    for (auto [value, offset] : head.values)
      crossing.CreateAlignedStore(crossing.CreateZExtOrBitCast(value, inMemory(value->getType())),
                                  at(crossing, offset), kUnaligned);
  }

  template <typename Cross> void addAll(ArrayRef<unsigned> chosen, Cross cross) {
    FunctionCallee ask = declareAsk(module);
    for (unsigned index : chosen) {
      LoopHead &head = heads.heads[index];
      BasicBlock *block = head.block;
      BasicBlock *rest = block->getSingleSuccessor();
      auto *asking = BasicBlock::Create(context, "", &body);
      auto *crossing = BasicBlock::Create(context, "", &body);
      block->getTerminator()->eraseFromParent();
      IRBuilder<> checking(block);
      Constant *counter = ConstantExpr::getInBoundsGetElementPtr(
          kind.words->getValueType(), kind.words,
          ArrayRef<Constant *>{ConstantInt::get(word, 0),
                               ConstantInt::get(word, first_word + index)});
      Value *strikes;
      if (kind.check == Check::Count) {
        Value *count = checking.CreateAdd(checking.CreateLoad(word, counter),
                                          ConstantInt::get(word, 1));
        checking.CreateStore(count, counter);
        strikes = checking.CreateICmpSGE(count, ConstantInt::get(word, 0));
      } else {
        strikes = checking.CreateIsNotNull(
            checking.CreateLoad(word, counter, /*isVolatile=*/true));
      }
      checking.CreateCondBr(strikes, asking, rest,
                            MDBuilder(context).createUnlikelyBranchWeights());
      IRBuilder<> request(asking);
      CallInst *target = request.CreateCall(ask, {ConstantInt::get(word, index), counter});
      target->setTailCallKind(CallInst::TCK_NoTail);
      target->setDoesNotThrow();
      // What the engine does meanwhile is to this code as if another thread did it.
      target->setMemoryEffects(MemoryEffects::inaccessibleOrArgMemOnly());
      request.CreateCondBr(request.CreateIsNull(target), rest, crossing);
      IRBuilder<> transfer(crossing);
      cross(transfer, head, target);
    }
  }
};

// Makes the continuation of a function at one of its heads.
class Continuation {
public:
  Continuation(Function &function, LoopHeads &heads, unsigned index)
      : function(function), context(function.getContext()), heads(heads),
        head(heads.heads[index]), pointer(PointerType::get(context, 0)) {}

  // Checks are added at the heads that are chosen.
  void make(const Kind &kind, ArrayRef<unsigned> chosen) {
    auto *type = FunctionType::get(pointer, {pointer}, false);
    body = Function::Create(type, GlobalValue::ExternalLinkage, function.getAddressSpace(), "",
                            function.getParent());
    adoptAttributes();
    SmallVector<ReturnInst *, 4> returns;
    for (BasicBlock &block : function)
      if (auto *end = dyn_cast<ReturnInst>(block.getTerminator()))
        returns.push_back(end);
    body->splice(body->begin(), &function);
    entry = BasicBlock::Create(context, "", body, &body->getEntryBlock());
    Checks checks(*body, heads, kind, 0);
    Value *buffer = checks.buffer = body->getArg(0);
    for (ReturnInst *end : returns) {
      IRBuilder<> builder(end);
      if (Value *result = end->getReturnValue())
        builder.CreateAlignedStore(result, buffer, kUnaligned);
      builder.CreateRet(ConstantPointerNull::get(pointer));
      end->eraseFromParent();
    }
    jump = BranchInst::Create(head.block, entry);
    SmallVector<Value *, 8> frame(heads.variables.size());
    takeVariables(checks, frame);
    checks.addToContinuation(chosen, frame);
    takeValues(checks);
    body->takeName(&function);
    function.eraseFromParent();
  }

private:
  Function &function;
  LLVMContext &context;
  LoopHeads &heads;
  LoopHead &head;
  PointerType *pointer;
  Function *body = nullptr;
  BasicBlock *entry = nullptr;
  // The end of what comes before the head.
  Instruction *jump = nullptr;

  // What says how the function is compiled, and nothing that it promises to its callers.
  void adoptAttributes() {
    AttrBuilder kept(context);
    for (Attribute attribute : function.getAttributes().getFnAttrs()) {
      if (attribute.isStringAttribute()) {
        if (!attribute.getKindAsString().starts_with("instrument-function"))
          kept.addAttribute(attribute);
        continue;
      }
      switch (attribute.getKindAsEnum()) {
      case Attribute::NoUnwind:
      case Attribute::UWTable:
      case Attribute::NoRedZone:
      case Attribute::NoImplicitFloat:
      case Attribute::StrictFP:
      case Attribute::OptimizeForSize:
      case Attribute::MinSize:
      case Attribute::StackProtect:
      case Attribute::StackProtectReq:
      case Attribute::StackProtectStrong:
      case Attribute::SafeStack:
      case Attribute::NullPointerIsValid:
      case Attribute::NoBuiltin:
        kept.addAttribute(attribute);
        break;
      default:
        break;
      }
    }
    body->setAttributes(AttributeList::get(context, AttributeList::FunctionIndex, kept));
    if (function.hasPersonalityFn())
      body->setPersonalityFn(function.getPersonalityFn());
    body->setUWTableKind(UWTableKind::Default);
  }

  void takeVariables(Checks &checks, MutableArrayRef<Value *> frame) {
    IRBuilder<> builder(jump);
    for (unsigned i = 0; i < heads.variables.size(); ++i) {
      FrameVariable &variable = heads.variables[i];
      AllocaInst *alloca = variable.alloca;
      dropLifetimes(*alloca);
      Value *outside = checks.at(builder, variable.offset);
      if (!heads.is_in_frame)
        outside = builder.CreateLoad(pointer, outside);
      if (!checks.moves(variable)) {
        alloca->replaceAllUsesWith(outside);
        alloca->eraseFromParent();
        continue;
      }
      frame[i] = outside;
      alloca->moveBefore(*entry, entry->begin());
      if (is_contained(head.contents, i))
        checks.copyVariable(builder, alloca, outside, variable);
    }
  }

  static void dropLifetimes(Value &variable) {
    for (User *user : make_early_inc_range(variable.users()))
      if (auto *mark = dyn_cast<LifetimeIntrinsic>(user))
        mark->eraseFromParent();
  }

  void takeValues(Checks &checks) {
    SmallVector<std::pair<Value *, Value *>, 8> taken;
    IRBuilder<> builder(jump);
    for (auto [value, offset] : head.values) {
      Value *bytes = builder.CreateAlignedLoad(inMemory(value->getType()),
                                               checks.at(builder, offset), kUnaligned);
      taken.push_back({value, builder.CreateTrunc(bytes, value->getType())});
    }
    for (auto &[value, given] : taken)
      if (heads.label_values.contains(value))
        given = translate(checks, given);
    BasicBlock *before = jump->getParent();
    DenseMap<Value *, Value *> at_head(taken.begin(), taken.end());
    for (PHINode &phi : head.block->phis()) {
      Value *given = at_head.lookup(&phi);
      phi.addIncoming(given ? given : PoisonValue::get(phi.getType()), before);
    }
    df_iterator_default_set<BasicBlock *> reachable;
    for (BasicBlock *block : depth_first_ext(entry, reachable))
      (void)block;
    for (Argument &argument : function.args())
      if (!at_head.contains(&argument))
        argument.replaceAllUsesWith(PoisonValue::get(argument.getType()));
    SmallVector<std::pair<Instruction *, Value *>, 8> redefined;
    for (auto [value, given] : taken) {
      auto *instruction = dyn_cast<Instruction>(value);
      if (instruction && isa<PHINode>(value) && instruction->getParent() == head.block)
        continue;
      if (instruction && reachable.contains(instruction->getParent()))
        redefined.push_back({instruction, given});
      else
        value->replaceAllUsesWith(given);
    }
    // A value that the loop around this one defines anew: from the buffer first.
    for (auto [value, given] : redefined)
      merge(*value, given, before, reachable);
    removeUnreachableBlocks(*body);
  }

  static void merge(Instruction &value, Value *given, BasicBlock *before,
                    const df_iterator_default_set<BasicBlock *> &reachable) {
    SSAUpdater updater;
    updater.Initialize(value.getType(), value.getName());
    updater.AddAvailableValue(value.getParent(), &value);
    updater.AddAvailableValue(before, given);
    for (Use &use : make_early_inc_range(value.uses())) {
      auto *user = cast<Instruction>(use.getUser());
      auto *phi = dyn_cast<PHINode>(user);
      BasicBlock *block = phi ? phi->getIncomingBlock(use) : user->getParent();
      if (block == value.getParent() || !reachable.contains(block))
        continue;
      updater.RewriteUse(use);
    }
  }

  // The address of the block here that the other body's label stands for: at the same place in
  // this body's table of labels.
  Value *translate(Checks &checks, Value *label) {
    IRBuilder<> builder(jump);
    Value *theirs = builder.CreateLoad(pointer, checks.at(builder, heads.label_table_offset));
    BasicBlock *before = jump->getParent();
    auto *search = BasicBlock::Create(context, "", body, head.block);
    auto *step = BasicBlock::Create(context, "", body, head.block);
    auto *found = BasicBlock::Create(context, "", body, head.block);
    jump->eraseFromParent();
    BranchInst::Create(search, before);
    IRBuilder<> searching(search);
    Type *number = searching.getInt64Ty();
    PHINode *place = searching.CreatePHI(number, 2);
    place->addIncoming(ConstantInt::get(number, 0), before);
    Value *one = searching.CreateLoad(pointer, searching.CreateGEP(pointer, theirs, {place}));
    searching.CreateCondBr(searching.CreateICmpEQ(one, label), found, step);
    IRBuilder<> stepping(step);
    place->addIncoming(stepping.CreateAdd(place, ConstantInt::get(number, 1)), step);
    stepping.CreateBr(search);
    IRBuilder<> finding(found);
    Value *ours = finding.CreateLoad(
        pointer, finding.CreateGEP(pointer, checks.labelTable(), {place}));
    jump = finding.CreateBr(head.block);
    return ours;
  }
};

} // namespace

static bool isMarker(const Instruction &instruction) {
  auto *call = dyn_cast<CallInst>(&instruction);
  const Function *callee = call ? call->getCalledFunction() : nullptr;
  return callee && (callee->getName() == kLeaveVariable || callee->getName() == kLeaveContents);
}

// Whether nothing but the function's own loads, stores and copies names a variable, besides the
// markers.
static bool isOwn(const AllocaInst &alloca) {
  SmallVector<const Value *, 8> work{&alloca};
  while (!work.empty()) {
    const Value *value = work.pop_back_val();
    for (const Use &use : value->uses()) {
      auto *user = cast<Instruction>(use.getUser());
      if (isa<LoadInst, LifetimeIntrinsic, MemIntrinsic>(user) || user->isDroppable() ||
          isMarker(*user))
        continue;
      if (auto *store = dyn_cast<StoreInst>(user); store && store->getValueOperand() != value)
        continue;
      if (!isa<GetElementPtrInst>(user))
        return false;
      work.push_back(user);
    }
  }
  return true;
}

bool rewire::settleVariables(Function &function) {
  SmallVector<CallInst *, 16> markers;
  for (Instruction &instruction : instructions(function))
    if (isMarker(instruction))
      markers.push_back(cast<CallInst>(&instruction));
  DenseMap<const Value *, bool> own;
  for (CallInst *marker : markers)
    if (auto *alloca = dyn_cast<AllocaInst>(marker->getArgOperand(0)))
      own.try_emplace(alloca, isOwn(*alloca));
  SmallPtrSet<AllocaInst *, 8> copies;
  for (CallInst *marker : markers) {
    IRBuilder<> builder(marker);
    Value *variable = marker->getArgOperand(0), *copy = marker->getArgOperand(1);
    const bool is_own = own.lookup(variable);
    if (marker->getCalledFunction()->getName() == kLeaveVariable) {
      builder.CreateStore(is_own ? copy : variable, marker->getArgOperand(2));
    } else if (is_own) {
      auto *alloca = cast<AllocaInst>(variable);
      const auto size = alloca->getAllocationSize(function.getDataLayout());
      builder.CreateMemCpy(copy, alloca->getAlign(), alloca, alloca->getAlign(),
                           size->getFixedValue());
    }
    copies.insert(cast<AllocaInst>(copy));
    marker->eraseFromParent();
  }
  for (AllocaInst *copy : copies)
    if (copy->use_empty())
      copy->eraseFromParent();
  return !markers.empty();
}

// The functions of an extracted module that have bodies of their own.
static SmallVector<Function *, 4> bodiesOf(Module &module) {
  SmallVector<Function *, 4> bodies;
  for (Function &function : module)
    if (!function.isDeclaration() && !function.hasAvailableExternallyLinkage())
      bodies.push_back(&function);
  return bodies;
}

static SmallVector<unsigned, 8> allHeads(Function &, const LoopHeads &heads) {
  SmallVector<unsigned, 8> all;
  for (unsigned i = 0; i < heads.heads.size(); ++i)
    all.push_back(i);
  return all;
}

// The checks that the bodies of a module get.
struct Wanted {
  Check check;
  LoopHeads::Detail detail;
  Keeping keeping = Keeping::InBuffer;
  uint32_t limit = 0;
};

// Adds checks to the bodies of a module, at the heads that `choose` chooses of each. Returns
// whether there are any.
template <typename Choose>
static bool addChecks(Module &module, const Wanted &wanted, Choose choose) {
  struct Checked {
    Function *function;
    LoopHeads heads;
    SmallVector<unsigned, 8> chosen;
    size_t first;
  };
  SmallVector<Checked, 1> all;
  size_t words = 0;
  for (Function *function : bodiesOf(module)) {
    LoopHeads heads = LoopHeads::of(*function, wanted.detail);
    SmallVector<unsigned, 8> chosen;
    if (!heads.heads.empty())
      chosen = choose(*function, heads);
    if (chosen.empty())
      continue;
    const size_t count = heads.heads.size();
    all.push_back({function, std::move(heads), std::move(chosen), words});
    words += count;
  }
  if (all.empty())
    return false;
  const Kind kind(module, wanted.check, wanted.limit, words, wanted.keeping);
  if (kind.keeping == Keeping::InFrame)
    declareAsk(module);
  for (Checked &one : all) {
    if (kind.keeping == Keeping::InFrame)
      one.heads.stayInFrame();
    Checks(*one.function, one.heads, kind, one.first).addToNormal(one.chosen);
  }
  return true;
}

// Whether the bodies of a module are compiled so that what they know at their heads has places in
// their frames. Passes could do without such places, and see what IR says only.
static bool canStayInFrame(const RewireCodegen &codegen, Module &module) {
  return !codegen.runsPasses(module) && canCountInCode(*codegen.machine) &&
         llvm::all_of(bodiesOf(module), [](Function *body) { return haveSlots(*body); });
}

bool rewire_count_loops(const RewireCodegen *codegen, LLVMModuleRef module, uint32_t limit) {
  Module &ir = *unwrap(module);
  if (canStayInFrame(*codegen, ir))
    return addChecks(ir, {Check::Count, LoopHeads::Detail::Places, Keeping::InFrame, limit},
                     allHeads);
  addChecks(ir, {Check::Count, LoopHeads::Detail::Values, Keeping::InBuffer, limit}, allHeads);
  return false;
}

bool rewire_find_places(RewireCodegen *codegen, LLVMModuleRef module) {
  Module &ir = *unwrap(module);
  SmallVector<Function *, 4> bodies = bodiesOf(ir);
  if (bodies.size() != 1 || !canStayInFrame(*codegen, ir))
    return false;
  Function &body = *bodies[0];
  LoopHeads heads = LoopHeads::of(body, LoopHeads::Detail::Values);
  if (heads.heads.empty())
    return false;
  heads.stayInFrame();
  const Kind kind(ir, Check::Count, 0, heads.heads.size(), Keeping::InFrame);
  declareAsk(ir);
  Checks(body, heads, kind, 0).addToNormal(allHeads(body, heads));
  codegen->frame.ask(body, heads);
  return true;
}

const int32_t *rewire_places(const RewireCodegen *codegen, size_t *count) {
  const ArrayRef<int32_t> places = codegen->frame.places();
  *count = places.size();
  return places.data();
}

// Whether a call may come to be a copy of the function that it names.
static bool mayBeInlined(const Instruction &instruction) {
  auto *call = dyn_cast<CallBase>(&instruction);
  const Function *callee = call ? call->getCalledFunction() : nullptr;
  return callee && callee->hasAvailableExternallyLinkage() && !callee->isDeclaration();
}

// The heads of loops that may come to hold copies of other functions.
static SmallVector<unsigned, 8> headsOfCopies(Function &function, const LoopHeads &heads) {
  SmallVector<unsigned, 8> chosen;
  if (llvm::none_of(instructions(function), mayBeInlined))
    return chosen;
  DominatorTree tree(function);
  LoopInfo loops(tree);
  for (unsigned i = 0; i < heads.heads.size(); ++i) {
    // A loop with several entries isn't known as one.
    BasicBlock *head = heads.heads[i].block;
    const Loop *loop = loops.getLoopFor(head);
    const bool is_natural = loop && loop->getHeader() == head;
    if (!is_natural || llvm::any_of(loop->blocks(), [](BasicBlock *block) {
          return llvm::any_of(*block, mayBeInlined);
        }))
      chosen.push_back(i);
  }
  return chosen;
}

void rewire_poll_loops(LLVMModuleRef module) {
  Module &ir = *unwrap(module);
  if (llvm::none_of(ir, [](const Function &function) {
        return function.hasAvailableExternallyLinkage() && !function.isDeclaration();
      }))
    return;
  addChecks(ir, {Check::Poll, LoopHeads::Detail::Contents}, headsOfCopies);
}

// The load of the flag that a poll asks.
static const LoadInst *flagOf(const BranchInst &branch) {
  auto *compare = branch.isConditional() ? dyn_cast<ICmpInst>(branch.getCondition()) : nullptr;
  auto *zero = compare && compare->isEquality() ? dyn_cast<Constant>(compare->getOperand(1))
                                                : nullptr;
  auto *flag = zero && zero->isNullValue() ? dyn_cast<LoadInst>(compare->getOperand(0)) : nullptr;
  if (!flag || !flag->isVolatile())
    return nullptr;
  auto *words = dyn_cast<GlobalVariable>(flag->getPointerOperand()->stripInBoundsOffsets());
  return words && words->getName().starts_with(kLoopWords) ? flag : nullptr;
}

bool rewire::isPoll(const BranchInst &branch) { return flagOf(branch); }

BasicBlock *rewire::askingBlock(const BranchInst &poll) {
  const auto *compare = cast<ICmpInst>(poll.getCondition());
  return poll.getSuccessor(compare->getPredicate() == ICmpInst::ICMP_NE ? 0 : 1);
}

bool rewire::hasPolls(const Function &function) {
  return llvm::any_of(function, [](const BasicBlock &block) {
    auto *branch = dyn_cast_or_null<BranchInst>(block.getTerminator());
    return branch && isPoll(*branch);
  });
}

bool rewire_continue_at(LLVMModuleRef module, unsigned head, bool counts, uint32_t limit,
                        const int32_t *places, size_t count) {
  Module &ir = *unwrap(module);
  SmallVector<Function *, 4> bodies = bodiesOf(ir);
  if (bodies.size() != 1)
    return false;
  LoopHeads heads = LoopHeads::of(*bodies[0], LoopHeads::Detail::Contents);
  if (head >= heads.heads.size() || (places && !heads.stayInFrameAt({places, count})))
    return false;
  const SmallVector<unsigned, 8> chosen =
      counts ? allHeads(*bodies[0], heads) : headsOfCopies(*bodies[0], heads);
  const Kind kind(ir, counts ? Check::Count : Check::Poll, limit, heads.heads.size());
  Continuation(*bodies[0], heads, head).make(kind, chosen);
  return true;
}
