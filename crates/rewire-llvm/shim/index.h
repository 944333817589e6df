// The numbered globals of a module, shared by the shim's files.
#ifndef REWIRE_INDEX_H
#define REWIRE_INDEX_H

#include "shim.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/IR/Module.h"
#include <vector>

struct RewireIndex {
  llvm::Module &module;
  std::vector<llvm::GlobalValue *> globals;
  llvm::DenseMap<const llvm::GlobalValue *, size_t> ordinals;
  // The module flags that extracted modules get; made on first use.
  llvm::SmallVector<llvm::MDNode *, 8> flags;
  bool has_flags = false;
  // Functions whose bodies were moved out.
  llvm::DenseSet<const llvm::Function *> taken;

  explicit RewireIndex(llvm::Module &module) : module(module) {}
};

// A message that the other side of the border owns.
inline char *rewire_message(llvm::StringRef text) {
  return LLVMCreateMessage(text.str().c_str());
}

#endif
