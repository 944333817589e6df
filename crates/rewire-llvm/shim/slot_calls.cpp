// Turns direct calls into calls through slots.

#include "codegen.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Statepoint.h"

using namespace llvm;

namespace {

// The function that a call names, through a cast or an alias that stayed. A statepoint names it
// in an operand. Passes make local functions (the parts of a coroutine), which belong to their
// object and have no slot.
Function *namedCallee(const CallBase &call) {
  if (call.isInlineAsm())
    return nullptr;
  const Value *called = call.getCalledOperand();
  if (auto *point = dyn_cast<GCStatepointInst>(&call)) {
    // What is to be patched has no call yet.
    if (point->getNumPatchBytes() > 0)
      return nullptr;
    called = point->getActualCalledOperand();
  }
  auto *function = dyn_cast<Function>(const_cast<Value *>(called->stripPointerCasts()));
  return function && !function->isIntrinsic() && !function->hasLocalLinkage() ? function
                                                                             : nullptr;
}

// Whether a jump to the callee may find no register to go through: a tail call takes its target
// from one once more than six registers pass arguments, and this convention passes arguments in all
// that there are. Such a call jumps to the stub.
bool needsDirectJump(const CallBase &call) {
  auto *plain = dyn_cast<CallInst>(&call);
  if (!plain || !plain->isTailCall() ||
      call.getCallingConv() != CallingConv::PreserveNone)
    return false;
  constexpr unsigned kSafe = 10;
  const DataLayout &layout = call.getDataLayout();
  unsigned words = 0;
  for (const Use &argument : call.args())
    if (argument->getType()->isSized())
      words += divideCeil(layout.getTypeAllocSize(argument->getType()).getKnownMinValue(), 8);
  return words > kSafe;
}

// What a call promises of a body that may change.
const Attribute::AttrKind kPromises[] = {Attribute::Memory, Attribute::Speculatable,
                                         Attribute::WillReturn, Attribute::NoCallback,
                                         Attribute::NoSync};

// What the declaration said of the call has to be said by the call once it has no declaration,
// and what the call promised of memory must go: it would let code generation move the load of
// the slot across other calls.
void moveAttributes(CallBase &call, const Function &callee) {
  AttributeList own = call.getAttributes(), declared = callee.getAttributes();
  const bool promises = llvm::any_of(kPromises, [&](Attribute::AttrKind kind) {
    return own.hasFnAttr(kind);
  });
  if (declared.isEmpty() && !promises)
    return;
  LLVMContext &context = call.getContext();
  AttrBuilder function(context, own.getFnAttrs());
  function.merge(AttrBuilder(context, declared.getFnAttrs()));
  for (Attribute::AttrKind kind : kPromises)
    function.removeAttribute(kind);
  AttrBuilder result(context, declared.getRetAttrs());
  result.merge(AttrBuilder(context, own.getRetAttrs()));
  SmallVector<AttributeSet, 8> parameters;
  for (unsigned i = 0, n = call.arg_size(); i < n; ++i) {
    AttrBuilder parameter(context, declared.getParamAttrs(i));
    parameter.merge(AttrBuilder(context, own.getParamAttrs(i)));
    parameters.push_back(AttributeSet::get(context, parameter));
  }
  call.setAttributes(AttributeList::get(context, AttributeSet::get(context, function),
                                        AttributeSet::get(context, result), parameters));
}

GlobalVariable *slotOf(const Function &callee) {
  Module &ir = const_cast<Module &>(*callee.getParent());
  StringRef base = callee.getName();
  base.consume_back(".rewire.self");
  std::string name = (base + ".rewire.slot").str();
  if (GlobalVariable *known = ir.getNamedGlobal(name))
    return known;
  auto *slot = new GlobalVariable(ir, PointerType::get(ir.getContext(), 0), false,
                                  GlobalValue::ExternalLinkage, nullptr, name);
  slot->setVisibility(GlobalValue::HiddenVisibility);
  slot->setDSOLocal(true);
  return slot;
}

// What a call checks of a pointer, a call through a slot would check of the body.
CallBase *withoutTypeCheck(CallBase *call) {
  if (!call->getOperandBundle(LLVMContext::OB_kcfi))
    return call;
  CallBase *unchecked =
      CallBase::removeOperandBundle(call, LLVMContext::OB_kcfi, call->getIterator());
  call->replaceAllUsesWith(unchecked);
  unchecked->takeName(call);
  call->eraseFromParent();
  return unchecked;
}

// The pass that moves buffers to another stack makes this variable where the module doesn't know
// it, with a model of thread-local storage that only fits the main program.
void declareSafeStack(Module &ir) {
  constexpr StringLiteral kPointer = "__safestack_unsafe_stack_ptr";
  const bool needed = llvm::any_of(ir, [](const Function &function) {
    return !function.isDeclaration() && function.hasFnAttribute(Attribute::SafeStack);
  });
  if (!needed || ir.getNamedValue(kPointer))
    return;
  new GlobalVariable(ir, PointerType::get(ir.getContext(), 0), false, GlobalValue::ExternalLinkage,
                     nullptr, kPointer, nullptr, GlobalVariable::GeneralDynamicTLSModel);
}

} // namespace

void rewire_slot_calls(RewireCodegen *codegen, LLVMModuleRef module) {
  Module &ir = *unwrap(module);
  declareSafeStack(ir);
  SmallVector<std::pair<CallBase *, Function *>, 32> calls;
  for (Function &function : ir) {
    if (function.isDeclaration() || function.hasAvailableExternallyLinkage())
      continue;
    for (Instruction &instruction : instructions(function))
      if (auto *call = dyn_cast<CallBase>(&instruction))
        if (Function *callee = namedCallee(*call); callee && !needsDirectJump(*call))
          calls.push_back({call, callee});
  }
  DenseMap<Function *, GlobalVariable *> slots;
  for (auto [call, callee] : calls) {
    LibFunc known;
    // Code generation has instructions for some functions of the C library and finds them by
    // their declarations.
    if (codegen->level > 0 && codegen->library->getLibFunc(*callee, known) &&
        TargetLibraryInfo(*codegen->library).hasOptimizedCodeGen(known) &&
        !callee->isDSOLocal() && !call->isNoBuiltin())
      continue;
    call = withoutTypeCheck(call);
    const bool statepoint = isa<GCStatepointInst>(call);
    if (!statepoint)
      moveAttributes(*call, *callee);
    GlobalVariable *&slot = slots[callee];
    if (!slot)
      slot = slotOf(*callee);
    auto *target = new LoadInst(slot->getValueType(), slot, "", /*isVolatile=*/false,
                                Align(8), call->getIterator());
    if (statepoint)
      call->setArgOperand(GCStatepointInst::CalledFunctionPos, target);
    else
      call->setCalledOperand(target);
  }
}
