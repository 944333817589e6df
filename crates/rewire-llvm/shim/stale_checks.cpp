// See stale_checks.h.
//
// A loop of a function's own is left at its head (continuations.cpp). That can't be done in the
// middle of an inlined body, nor in functions that are tied to their frames. There, the call is
// made twice, under a branch: the copy may be inlined, and the other stays a call through the slot.

#include "stale_checks.h"
#include "inline_bodies.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Analysis/CycleAnalysis.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/MDBuilder.h"
#include "llvm/Transforms/Utils/CallPromotionUtils.h"

using namespace llvm;
using namespace rewire;

namespace {

// The byte is 0 until something that the code holds a copy of is replaced.
constexpr StringLiteral kStale = ".rewire.stale";
constexpr uint32_t kUsual = 1 << 20;

GlobalVariable *staleByte(Module &module) {
  if (GlobalVariable *known = module.getNamedGlobal(kStale))
    return known;
  Type *byte = Type::getInt8Ty(module.getContext());
  // Not local: the optimiser would see that nothing in the module writes it.
  auto *made = new GlobalVariable(module, byte, /*isConstant=*/false, GlobalValue::ExternalLinkage,
                                  ConstantInt::get(byte, 0), kStale);
  made->setVisibility(GlobalValue::HiddenVisibility);
  made->setDSOLocal(true);
  return made;
}

// Whether the function's loops watch for replacements themselves, and are left at their heads
// (continuations.cpp).
bool watches(const Function &function) {
  if (function.hasAvailableExternallyLinkage())
    return false;
  const Function *asked = function.getParent()->getFunction("__rewire_loop");
  return asked && any_of(asked->users(), [&](const User *user) {
           auto *call = dyn_cast<CallBase>(user);
           return call && call->getFunction() == &function;
         });
}

void check(CallBase &call) {
  Module &module = *call.getModule();
  MDNode *weights = MDBuilder(module.getContext()).createBranchWeights(kUsual, 1);
  CallBase &copy = versionCallSite(call, call.getCalledOperand(), weights);
  auto *branch = cast<BranchInst>(copy.getParent()->getSinglePredecessor()->getTerminator());
  IRBuilder<> builder(branch);
  GlobalVariable *byte = staleByte(module);
  // Read anew each time.
  LoadInst *stale =
      builder.CreateAlignedLoad(byte->getValueType(), byte, Align(1), /*isVolatile=*/true);
  branch->setCondition(builder.CreateIsNull(stale));
  call.setIsNoInline();
}

} // namespace

// The calls in a function's loops that may be inlined, while nothing leads out of the loop.
static SmallVector<CallBase *, 8> unwatchedCalls(Function &function) {
  SmallVector<CallBase *, 8> calls;
  for (Instruction &instruction : instructions(function))
    if (auto *call = dyn_cast<CallBase>(&instruction))
      if (Function *callee = call->getCalledFunction();
          callee && isOptionalBody(*callee) && !call->isNoInline())
        calls.push_back(call);
  if (calls.empty() || watches(function))
    return {};
  CycleInfo cycles;
  cycles.compute(function);
  erase_if(calls, [&](CallBase *call) { return !cycles.getCycle(call->getParent()); });
  return calls;
}

// Takes out bodies that need not be inlined and whose own loops would hold copies: those loops can
// be left where the body is compiled for itself.
static void dropBodiesWithCopies(Module &module) {
  const auto isDropped = [](Function &body) {
    return isOptionalBody(body) && !unwatchedCalls(body).empty();
  };
  const auto isInnermost = [&](Function &body) {
    return none_of(unwatchedCalls(body),
                   [&](CallBase *call) { return isDropped(*call->getCalledFunction()); });
  };
  // The innermost first: without its copy, the loop of another may have none.
  for (bool innermost : {true, false})
    for (bool again = true; again;) {
      again = false;
      for (Function &body : module)
        if (isDropped(body) && (!innermost || isInnermost(body))) {
          dropBody(body);
          again = true;
        }
    }
  for (bool again = true; again;) {
    again = false;
    for (Function &body : module)
      if (isOptionalBody(body) && body.use_empty()) {
        dropBody(body);
        again = true;
      }
  }
}

void rewire::checkInLoops(Module &module) {
  dropBodiesWithCopies(module);
  SmallVector<CallBase *, 16> calls;
  for (Function &function : module)
    append_range(calls, unwatchedCalls(function));
  for (CallBase *call : calls)
    check(*call);
}
