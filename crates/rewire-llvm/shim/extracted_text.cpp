// The text of an extracted module.

#include "index.h"
#include "shim.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace rewire;

static constexpr StringLiteral kMark = ".rewire.";

char *rewire_text(LLVMModuleRef extracted, uint64_t unit) {
  Module &ir = *unwrap(extracted);
  SmallVector<GlobalValue *, 16> marked;
  for (GlobalValue &global : ir.global_values())
    if (global.getName().contains(kMark))
      marked.push_back(&global);
  for (GlobalValue *global : marked) {
    auto [name, aspect] = global->getName().rsplit(kMark);
    if (aspect == "self") {
      // How a body names itself.
      if (GlobalValue *body = ir.getNamedValue(name)) {
        global->replaceAllUsesWith(body);
        global->eraseFromParent();
        continue;
      }
    }
    if (!name.empty() && !ir.getNamedValue(name))
      global->setName(name);
    else
      global->setName(name + kMark + Twine(unit) + "." + aspect);
  }
  // Who reads it line by line hears of a name before it is used.
  SmallVector<Function *, 16> declared;
  for (Function &function : ir)
    if (function.isDeclaration())
      declared.push_back(&function);
  auto &functions = ir.getFunctionList();
  for (Function *function : llvm::reverse(declared))
    functions.splice(functions.begin(), functions, function->getIterator());
  std::string text;
  raw_string_ostream stream(text);
  ir.print(stream, nullptr);
  return newMessage(text);
}
