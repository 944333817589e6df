// The numbered globals of a module, shared by the shim's files.
#ifndef REWIRE_INDEX_H
#define REWIRE_INDEX_H

#include "shim.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/IR/Module.h"
#include <string>
#include <vector>

struct RewireIndex {
  llvm::Module &module;
  std::vector<llvm::GlobalValue *> globals;
  llvm::DenseMap<const llvm::GlobalValue *, size_t> ordinals;
  // The module flags that extracted modules get; made on first use.
  llvm::SmallVector<llvm::MDNode *, 8> flags;
  bool has_flags = false;
  // Variables whose values hold addresses of functions' blocks, with those functions.
  llvm::DenseMap<const llvm::GlobalVariable *, llvm::SmallVector<llvm::Function *, 1>> jump_tables;
  // Functions whose bodies were moved out.
  llvm::DenseSet<const llvm::Function *> taken;
  // Those of them that are local: without a body, their linkage can't say so.
  llvm::DenseSet<const llvm::GlobalValue *> taken_locals;
  // The constants whose values the last extraction showed to the optimiser though they may be
  // replaced.
  std::vector<size_t> shown;

  // A bit for each body that was verified, in this copy of the module or another, and one after
  // them for all else of the module. Shared by the copies; set before anything else is done.
  uint64_t *verified = nullptr;
  // Bodies may have calls of `llvm.dbg.*`, which become records as they are read.
  bool has_debug_calls = false;
  // Bodies may have metadata that says what lies before their functions' addresses.
  bool reads_for_fronts = false;
  // Why a body couldn't be read. No other can be read then.
  std::string unreadable;

  bool isVerified(size_t place) const {
    return __atomic_load_n(&verified[place / 64], __ATOMIC_RELAXED) >> (place % 64) & 1;
  }

  void setVerified(size_t place) {
    __atomic_fetch_or(&verified[place / 64], uint64_t(1) << (place % 64), __ATOMIC_RELAXED);
  }

  explicit RewireIndex(llvm::Module &module) : module(module) {}
};

namespace rewire {

// The name that a global has in an object, where that isn't its name in IR; else empty.
std::string mangledName(const llvm::GlobalValue &global);

// A message that the other side of the border owns.
inline char *newMessage(llvm::StringRef text) {
  return LLVMCreateMessage(text.str().c_str());
}

} // namespace rewire

#endif
