#include "coroutines.h"
#include "shim.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Analysis/CFG.h"
#include "llvm/Analysis/ValueTracking.h"
#include "llvm/Demangle/Demangle.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/Transforms/Coroutines/CoroInstr.h"

using namespace llvm;
using namespace rewire;

namespace {

// A name without the number behind its last dot.
StringRef withoutNumber(StringRef name) {
  auto [before, digits] = name.rsplit('.');
  const bool numbered = !digits.empty() && llvm::all_of(digits, isDigit);
  return numbered ? before : name;
}

// The name that a function has in its own module, and whether it is local there.
std::pair<StringRef, bool> ownName(const Function &function) {
  StringRef name = function.getName();
  name.consume_back(".rewire.self");
  StringRef before = withoutNumber(name);
  if (before.size() < name.size() && before.consume_back(".rewire"))
    return {before, true};
  return {name, function.hasLocalLinkage()};
}

// `fTQ0_`, `fTY1_`: how Swift names what goes on after the coroutine's suspensions.
bool isSwiftContinuation(StringRef name) {
  if (!name.consume_back("_"))
    return false;
  StringRef before = name.rtrim("0123456789");
  return before.size() < name.size() && (before.ends_with("TQ") || before.ends_with("TY"));
}

// The two counts of an object's own: frames that began, and those of them that ended.
class Counter {
public:
  explicit Counter(Module &module) : module(module) {}

  // Of the coroutines that are split in this module: the parts are this object's, and the counts
  // with them.
  GlobalVariable *own() {
    if (!known)
      known = make(".rewire.frames", GlobalValue::InternalLinkage,
                   ConstantAggregateZero::get(type()));
    return known;
  }

  // Of the unit that a part of a coroutine belongs to.
  GlobalVariable *of(const Function &part) {
    StringRef base = part.getName();
    base.consume_back(".rewire.self");
    const std::string name = (base + ".rewire.frames").str();
    GlobalVariable *made = module.getNamedGlobal(name);
    return made ? made : make(name, GlobalValue::ExternalLinkage, nullptr);
  }

private:
  ArrayType *type() { return ArrayType::get(Type::getInt64Ty(module.getContext()), 2); }

  GlobalVariable *make(const Twine &name, GlobalValue::LinkageTypes linkage, Constant *value) {
    auto *counts = new GlobalVariable(module, type(), false, linkage, value, name);
    counts->setAlignment(Align(8));
    counts->setDSOLocal(true);
    if (!counts->hasLocalLinkage())
      counts->setVisibility(GlobalValue::HiddenVisibility);
    return counts;
  }

  Module &module;
  GlobalVariable *known = nullptr;
};

enum class Count : unsigned { Began, Ended };

// Counts by `amount`, or by one.
void countAt(Instruction &before, GlobalVariable *counts, Count what, Value *amount = nullptr) {
  IRBuilder<> builder(&before);
  Value *word = builder.CreateConstInBoundsGEP2_64(counts->getValueType(), counts, 0,
                                                   unsigned(what));
  if (!amount)
    amount = builder.getInt64(1);
  builder.CreateAtomicRMW(AtomicRMWInst::Add, word, amount, Align(8),
                          AtomicOrdering::SequentiallyConsistent);
  // What it promises of memory was promised without the counts.
  Function &function = *before.getFunction();
  for (Attribute::AttrKind kind : {Attribute::Memory, Attribute::NoSync, Attribute::Speculatable})
    function.removeFnAttr(kind);
}

// Of the places where a frame may end, those that no way leads to from another one: a frame ends
// once.
SmallVector<Instruction *, 4> firstOf(ArrayRef<Instruction *> ends) {
  SmallVector<Instruction *, 4> first;
  for (Instruction *end : ends) {
    const auto comesBefore = [&](Instruction *other) {
      return other != end && isPotentiallyReachable(other, end);
    };
    if (llvm::none_of(ends, comesBefore))
      first.push_back(end);
  }
  return first;
}

// A coroutine that isn't split yet. Where it is suspended, the frame stays; whichever part then
// leads on to the end is made of this code.
void countWhole(Function &function, Counter &counter) {
  CoroBeginInst *begin = nullptr;
  SmallVector<Instruction *, 4> frees, ends;
  for (Instruction &instruction : instructions(function)) {
    if (auto *found = dyn_cast<CoroBeginInst>(&instruction))
      begin = found;
    else if (isa<CoroFreeInst>(instruction))
      frees.push_back(&instruction);
    else if (isa<AnyCoroEndInst>(instruction))
      ends.push_back(&instruction);
  }
  if (!begin)
    return;
  countAt(*begin->getNextNode(), counter.own(), Count::Began);
  // In the usual kind, `llvm.coro.end` is where the first part returns to its caller, too.
  const bool is_switched = isa<CoroIdInst>(begin->getId());
  for (Instruction *end : firstOf(is_switched ? frees : ends))
    countAt(*end, counter.own(), Count::Ended);
}

bool isDeallocation(const CallBase &call) {
  const Function *callee = call.getCalledFunction();
  if (!callee)
    return false;
  if (callee->getName() == "free")
    return true;
  const std::string name = callee->getName().str();
  ItaniumPartialDemangler demangler;
  if (demangler.partialDemangle(name.c_str()))
    return false;
  size_t length = 0;
  char *base = demangler.getFunctionBaseName(nullptr, &length);
  const bool deletes = base && StringRef(base) == "operator delete";
  free(base);
  return deletes;
}

// Where a function frees what a value points to.
SmallVector<Instruction *, 4> deallocations(Function &function, const Value &of) {
  SmallVector<Instruction *, 4> found;
  for (Instruction &instruction : instructions(function))
    if (auto *call = dyn_cast<CallBase>(&instruction); call && call->arg_size() > 0)
      if (call->getArgOperand(0)->stripPointerCasts() == &of && isDeallocation(*call))
        found.push_back(call);
  return found;
}

// A place where a frame is told which function destroys it, and the memory that the frame is in.
struct Beginning {
  StoreInst *store;
  // How many frames begin there; null for one.
  Value *amount;
};

// Finds where the address of a part goes.
class Beginnings {
public:
  explicit Beginnings(Function &part) : part(part) { follow(part, nullptr); }

  SmallVector<Beginning, 2> stores;
  // Functions that do something else with the address.
  SmallPtrSet<Function *, 2> others;

private:
  // `chosen` is true where a choice took the part.
  void follow(Value &value, Value *chosen) {
    for (Use &use : value.uses()) {
      User *user = use.getUser();
      if (auto *call = dyn_cast<CallBase>(user); call && call->isCallee(&use))
        continue;
      if (isa<ICmpInst>(user) || isa<GlobalVariable>(user))
        continue;
      if (auto *store = dyn_cast<StoreInst>(user); store && use.getOperandNo() == 0)
        stores.push_back({store, chosen});
      else if (auto *select = dyn_cast<SelectInst>(user); select && !chosen && &value == &part)
        follow(*select, choice(*select));
      else if (auto *constant = dyn_cast<Constant>(user))
        follow(*constant, chosen);
      else if (auto *instruction = dyn_cast<Instruction>(user))
        others.insert(instruction->getFunction());
    }
  }

  // How many frames begin where the value that was chosen is stored.
  Value *choice(SelectInst &select) {
    IRBuilder<> builder(select.getNextNode());
    Value *condition = select.getCondition();
    if (select.getTrueValue() != &part)
      condition = builder.CreateNot(condition);
    return condition->getType()->isVectorTy()
               ? nullptr
               : builder.CreateZExt(condition, builder.getInt64Ty());
  }

  Function &part;
};

// Frames of coroutines that were split before: they begin where the function that destroys them is
// stored, and end where it is entered, or where another part frees them. One that lies in its
// caller's frame is told to clean up, not to destroy, and needs no count: whoever has that frame is
// counted, or on a stack.
void countBeginnings(Function &part, Counter &counter) {
  Beginnings beginnings(part);
  for (auto [store, amount] : beginnings.stores) {
    Function &function = *store->getFunction();
    Instruction &after = *store->getNextNode();
    countAt(after, counter.of(part), Count::Began, amount);
    // A coroutine may end before it is suspended for the first time.
    const Value *frame = getUnderlyingObject(store->getPointerOperand());
    const DominatorTree dominators(function);
    SmallVector<Instruction *, 4> ends = deallocations(function, *frame);
    llvm::erase_if(ends, [&](Instruction *end) { return !dominators.dominates(store, end); });
    for (Instruction *end : firstOf(ends))
      countAt(*end, counter.of(part), Count::Ended, amount);
  }
  // One that never ends is counted where it isn't clear what begins.
  for (Function *function : beginnings.others)
    countAt(*function->getEntryBlock().getFirstInsertionPt(), counter.of(part), Count::Began);
}

} // namespace

CoroutinePart rewire::coroutinePart(const Function &function) {
  StringRef name = ownName(function).first;
  if (name.contains(".__await_suspend_wrapper__"))
    return CoroutinePart::Suspend;
  const FunctionType &type = *function.getFunctionType();
  if (function.getCallingConv() == CallingConv::Fast && type.getReturnType()->isVoidTy() &&
      type.getNumParams() == 1 && type.getParamType(0)->isPointerTy()) {
    // LLVM puts a number behind a name that is taken.
    StringRef base = withoutNumber(name);
    if (base.ends_with(".resume"))
      return CoroutinePart::Resume;
    if (base.ends_with(".destroy"))
      return CoroutinePart::Destroy;
    if (base.ends_with(".cleanup"))
      return CoroutinePart::Cleanup;
  }
  StringRef base = withoutNumber(name);
  if ((base.size() < name.size() && base.ends_with(".resume")) ||
      (function.getCallingConv() == CallingConv::SwiftTail && isSwiftContinuation(name)))
    return CoroutinePart::Continuation;
  return CoroutinePart::None;
}

void rewire::countFrames(Module &module) {
  bool has_whole = false;
  SmallVector<Function *, 2> parts;
  for (Function &function : module) {
    if (function.isIntrinsic())
      has_whole |= function.getIntrinsicID() == Intrinsic::coro_begin ||
                   function.getIntrinsicID() == Intrinsic::coro_begin_custom_abi;
    else if (function.getCallingConv() == CallingConv::Fast &&
             coroutinePart(function) != CoroutinePart::None)
      parts.push_back(&function);
  }
  Counter counter(module);
  if (has_whole)
    for (Function &function : module)
      if (!function.isDeclaration())
        countWhole(function, counter);
  for (Function *part : parts) {
    const CoroutinePart kind = coroutinePart(*part);
    if (kind == CoroutinePart::Destroy)
      countBeginnings(*part, counter);
    if (part->isDeclaration() || !ownName(*part).second)
      continue;
    if (kind == CoroutinePart::Destroy)
      countAt(*part->getEntryBlock().getFirstInsertionPt(), counter.of(*part), Count::Ended);
    else if (kind == CoroutinePart::Resume)
      for (Instruction *end : firstOf(deallocations(*part, *part->getArg(0))))
        countAt(*end, counter.of(*part), Count::Ended);
  }
}

bool rewire_is_coroutine_part(LLVMValueRef global, bool *is_counted) {
  auto *function = dyn_cast<Function>(unwrap<GlobalValue>(global));
  *is_counted = true;
  if (!function)
    return false;
  const CoroutinePart part = coroutinePart(*function);
  *is_counted = part != CoroutinePart::Continuation;
  return part != CoroutinePart::None;
}

bool rewire::isNoopFrame(const GlobalVariable &variable) {
  auto *type = dyn_cast<StructType>(variable.getValueType());
  return type && type->getNumElements() == 2 && variable.isConstant() &&
         variable.hasLocalLinkage() && variable.getName().starts_with("NoopCoro.Frame.Const");
}

GlobalVariable *rewire::noopFrame(Module &module) {
  const char *name = ".rewire.noop";
  if (GlobalVariable *known = module.getNamedGlobal(name))
    return known;
  Type *pointer = PointerType::get(module.getContext(), 0);
  auto *frame = new GlobalVariable(module, ArrayType::get(pointer, 2), true,
                                   GlobalValue::ExternalLinkage, nullptr, name);
  frame->setVisibility(GlobalValue::HiddenVisibility);
  frame->setDSOLocal(true);
  return frame;
}

void rewire::shareNoopFrame(Module &module) {
  for (GlobalVariable &variable : make_early_inc_range(module.globals()))
    if (isNoopFrame(variable)) {
      variable.replaceAllUsesWith(noopFrame(module));
      variable.eraseFromParent();
    }
}
