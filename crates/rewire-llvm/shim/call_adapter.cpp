// Calls of functions whose type is known only at run time: a function that reads the arguments
// from memory, calls, and writes the result to memory.

#include "index.h"
#include "abi_attributes.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace rewire;

char *rewire_call_adapter(RewireIndex *index, size_t ordinal) {
  auto *function = dyn_cast<Function>(index->globals[ordinal]);
  if (!function || function->isVarArg())
    return nullptr;
  LLVMContext &context = index->module.getContext();
  Module adapter("", context);
  adapter.setDataLayout(index->module.getDataLayout());
  adapter.setTargetTriple(index->module.getTargetTriple());
  PointerType *pointer = PointerType::get(context, 0);
  FunctionType *type = function->getFunctionType();
  Function *body = Function::Create(
      FunctionType::get(Type::getVoidTy(context), {pointer, pointer, pointer}, false),
      GlobalValue::ExternalLinkage, "call_adapter", adapter);
  IRBuilder<> builder(BasicBlock::Create(context, "", body));
  SmallVector<Value *, 8> arguments;
  for (unsigned i = 0, n = type->getNumParams(); i < n; ++i) {
    Value *place = builder.CreateConstInBoundsGEP1_64(pointer, body->getArg(1), i);
    Value *at = builder.CreateAlignedLoad(pointer, place, Align(8));
    // Whoever calls has the values in memory that is aligned for vectors.
    arguments.push_back(builder.CreateAlignedLoad(type->getParamType(i), at, Align(1)));
  }
  CallInst *call = builder.CreateCall(type, body->getArg(0), arguments);
  call->setCallingConv(function->getCallingConv());
  call->setAttributes(keepAbi(context, function->getAttributes(), function->arg_size()));
  if (!type->getReturnType()->isVoidTy())
    builder.CreateAlignedStore(call, body->getArg(2), Align(1));
  builder.CreateRetVoid();
  std::string text;
  raw_string_ostream stream(text);
  adapter.print(stream, nullptr);
  return newMessage(text);
}
