// Lowering what code generation doesn't know.
//
// Coroutines are split here: the parts that resume, destroy and clean up become functions of the
// same object, local to it, which are reached by their addresses in the coroutine's frame.

#include "lower.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Analysis/CGSCCPassManager.h"
#include "llvm/IR/Instructions.h"
#include "llvm/Transforms/Coroutines/CoroCleanup.h"
#include "llvm/Transforms/Coroutines/CoroEarly.h"
#include "llvm/Transforms/Coroutines/CoroSplit.h"
#include "llvm/Transforms/IPO/LowerTypeTests.h"
#include "llvm/Transforms/Scalar/LowerGuardIntrinsic.h"
#include "llvm/Transforms/Scalar/LowerMatrixIntrinsics.h"
#include "llvm/Transforms/Scalar/LowerWidenableCondition.h"

using namespace llvm;
using namespace rewire;

// The engine's own functions of these names ask where the call comes from.
static constexpr StringLiteral kAskForCaller[] = {
    "__cxa_atexit", "atexit", "__cxa_thread_atexit", "__cxa_thread_atexit_impl",
    "at_quick_exit", "__cxa_at_quick_exit", "on_exit", "pthread_atfork"};

void rewire::keepCallers(Module &module) {
  for (const Function &function : module) {
    if (!is_contained(kAskForCaller, function.getName()))
      continue;
    for (const User *user : function.users())
      if (auto *call = dyn_cast<CallInst>(const_cast<User *>(user)))
        if (!call->isMustTailCall())
          call->setTailCallKind(CallInst::TCK_NoTail);
  }
}

Lowerings rewire::findLowerings(const Module &module) {
  Lowerings found;
  for (const Function &function : module) {
    if (!function.isIntrinsic())
      continue;
    StringRef name = function.getName();
    name.consume_front("llvm.");
    found.coroutines |= name.starts_with("coro.");
    found.matrices |= name.starts_with("matrix.");
    found.type_tests |= name.starts_with("type.test") || name.starts_with("public.type.test");
    found.guards |= name.starts_with("experimental.guard") ||
                    name.starts_with("experimental.widenable.condition");
  }
  return found;
}

ModulePassManager rewire::loweringPasses(Lowerings what, OptimizationLevel level) {
  ModulePassManager passes;
  const bool optimises = level != OptimizationLevel::O0;
  if (what.type_tests)
    passes.addPass(LowerTypeTestsPass(nullptr, nullptr, lowertypetests::DropTestKind::All));
  if (what.coroutines) {
    passes.addPass(CoroEarlyPass());
    passes.addPass(createModuleToPostOrderCGSCCPassAdaptor(CoroSplitPass(optimises)));
    passes.addPass(CoroCleanupPass());
  }
  FunctionPassManager functions;
  if (what.matrices)
    functions.addPass(LowerMatrixIntrinsicsPass(/*Minimal=*/!optimises));
  if (what.guards) {
    functions.addPass(LowerGuardIntrinsicPass());
    functions.addPass(LowerWidenableConditionPass());
  }
  if (!functions.isEmpty())
    passes.addPass(createModuleToFunctionPassAdaptor(std::move(functions)));
  return passes;
}
