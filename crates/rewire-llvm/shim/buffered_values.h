// Values that a body keeps in the transfer buffer.
#ifndef REWIRE_BUFFERED_VALUES_H
#define REWIRE_BUFFERED_VALUES_H

#include "loop_heads.h"

namespace rewire {

// Stores the values of the loop heads in the buffer where they are defined, and loads them in each
// other block that uses them. A head can then be left at any time, without code of its own that
// stores them.
//
// Without optimisation the code generator gives a value that several blocks use a place in the
// frame anyway, so this costs nothing there. Each head must end behind its phis.
void keepInBuffer(llvm::Function &function, const LoopHeads &heads, llvm::AllocaInst &buffer);

} // namespace rewire

#endif
