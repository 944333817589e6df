// IR that a client has made of an extracted module.

#include "index.h"
#include "llvm/IR/Verifier.h"
#include "llvm/IRReader/IRReader.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace rewire;

bool rewire_transformed(LLVMModuleRef former, const char *bytes, size_t length,
                        LLVMModuleRef *module, char **error) {
  Module &before = *unwrap(former);
  // Readers want a zero byte behind the text.
  const auto buffer = MemoryBuffer::getMemBufferCopy(StringRef(bytes, length), "transformed");
  SMDiagnostic problem;
  std::unique_ptr<Module> after = parseIR(buffer->getMemBufferRef(), problem, before.getContext());
  if (!after) {
    std::string text;
    raw_string_ostream stream(text);
    problem.print(nullptr, stream, /*ShowColors=*/false);
    *error = newMessage(StringRef(text).trim());
    return true;
  }
  after->setTargetTriple(before.getTargetTriple());
  after->setDataLayout(before.getDataLayout());
  std::string broken;
  raw_string_ostream stream(broken);
  if (verifyModule(*after, &stream)) {
    *error = newMessage(StringRef(broken).trim());
    return true;
  }
  for (const GlobalObject &global : before.global_objects()) {
    const GlobalValue *same = after->getNamedValue(global.getName());
    if (!global.isDeclaration() && !global.hasLocalLinkage() && (!same || same->isDeclaration())) {
      *error = newMessage(("it doesn't define " + global.getName()).str());
      return true;
    }
  }
  *module = wrap(after.release());
  return false;
}
