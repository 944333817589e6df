// The identities of a module's types.
#ifndef REWIRE_TYPES_H
#define REWIRE_TYPES_H

#include "shim.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/IR/DataLayout.h"
#include "llvm/IR/Type.h"
#include <array>
#include <string>

namespace rewire {

// What tells types apart, whatever they are called.
using TypeId = std::array<uint8_t, 16>;

} // namespace rewire

// The types that were asked for, and their parts. Asking for all types of a module costs O(types).
struct RewireTypes {
  const llvm::DataLayout &layout;
  llvm::DenseMap<llvm::Type *, rewire::TypeId> known;

  explicit RewireTypes(const llvm::DataLayout &layout) : layout(layout) {}

  const rewire::TypeId &id(llvm::Type *type);
  // The same as hexadecimal digits.
  std::string text(llvm::Type *type);
};

#endif
