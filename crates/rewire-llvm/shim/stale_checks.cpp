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
  LoadInst *stale = builder.CreateAlignedLoad(byte->getValueType(), byte, Align(1));
  // Read anew each time.
  stale->setAtomic(AtomicOrdering::Monotonic);
  branch->setCondition(builder.CreateIsNull(stale));
  call.setIsNoInline();
}

} // namespace

void rewire::checkInLoops(Module &module) {
  SmallVector<CallBase *, 16> calls;
  for (Function &function : module) {
    if (function.empty())
      continue;
    SmallVector<CallBase *, 16> candidates;
    for (Instruction &instruction : instructions(function))
      if (auto *call = dyn_cast<CallBase>(&instruction))
        if (Function *callee = call->getCalledFunction();
            callee && isOptionalBody(*callee) && !call->isNoInline())
          candidates.push_back(call);
    if (candidates.empty() || watches(function))
      continue;
    CycleInfo cycles;
    cycles.compute(function);
    for (CallBase *call : candidates)
      if (cycles.getCycle(call->getParent()))
        calls.push_back(call);
  }
  for (CallBase *call : calls)
    check(*call);
}
