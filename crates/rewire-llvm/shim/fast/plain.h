// Which modules the fast path may compile.
//
// Most of LLVM's passes look for what few functions hold: atomics, vectors, exceptions, garbage
// collection, hardening. A module is plain if everything in it is known to concern none of the
// passes that the fast path leaves out. Whatever isn't known here isn't plain.
#ifndef REWIRE_FAST_PLAIN_H
#define REWIRE_FAST_PLAIN_H

#include "llvm/IR/Module.h"

namespace rewire {

enum class Plainness {
  // Not for the fast path.
  None,
  // Plain.
  Plain,
  // Plain, and no code needs a constant in memory or a table of jumps: it computes with integers
  // alone, and has no switch.
  Integers,
};

// Costs the number of instructions.
Plainness plainness(const llvm::Module &module);

} // namespace rewire

#endif
