// See instrument.h.

#include "instrument.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/IR/InstrTypes.h"
#include "llvm/IR/Module.h"
#include "llvm/Transforms/Utils/EntryExitInstrumenter.h"

using namespace llvm;
using namespace rewire;

namespace {

constexpr StringLiteral kEntry = "instrument-function-entry";
constexpr StringLiteral kExit = "instrument-function-exit";

bool isInstrumented(const Function &function) {
  return !function.isDeclaration() &&
         (function.hasFnAttribute(kEntry) || function.hasFnAttribute(kExit));
}

// The calls name the function by its address, which is not the body's.
void nameByAddress(Function &body) {
  Module &module = *body.getParent();
  const std::string name = (body.getName() + ".rewire.self").str();
  Function *self = module.getFunction(name);
  if (!self)
    self = Function::Create(body.getFunctionType(), GlobalValue::ExternalLinkage,
                            body.getAddressSpace(), name, &module);
  body.replaceUsesWithIf(self, [&](Use &use) {
    auto *call = dyn_cast<CallBase>(use.getUser());
    return call && call->getFunction() == &body && call->isArgOperand(&use);
  });
}

} // namespace

bool rewire::asksForInstrumentation(const Module &module) {
  return llvm::any_of(module, isInstrumented);
}

void rewire::instrument(Module &module, FunctionAnalysisManager &analyses) {
  EntryExitInstrumenterPass pass(/*PostInlining=*/false);
  SmallVector<Function *, 8> functions;
  for (Function &function : module)
    if (isInstrumented(function))
      functions.push_back(&function);
  for (Function *function : functions) {
    // LLVM leaves bodies alone that are only there to be inlined. Here they are those of functions
    // that have another body, natively the same.
    const GlobalValue::LinkageTypes linkage = function->getLinkage();
    function->setLinkage(GlobalValue::ExternalLinkage);
    // In a whole unit, bodies name one another.
    const bool is_named = !function->use_empty();
    pass.run(*function, analyses);
    function->setLinkage(linkage);
    if (!is_named && linkage == GlobalValue::ExternalLinkage)
      nameByAddress(*function);
  }
}

void rewire::dropInstrumentation(Function &function) {
  function.removeFnAttr(kEntry);
  function.removeFnAttr(kExit);
}
