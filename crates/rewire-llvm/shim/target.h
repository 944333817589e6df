// The host as a target.
#ifndef REWIRE_TARGET_H
#define REWIRE_TARGET_H

#include "shim.h"
#include "llvm/IR/DataLayout.h"
#include "llvm/TargetParser/Triple.h"

struct RewireTarget {
  llvm::Triple triple;
  llvm::DataLayout layout;
};

#endif
