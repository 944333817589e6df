// Loops that hold copies of bodies which may be replaced.
#ifndef REWIRE_STALE_CHECKS_H
#define REWIRE_STALE_CHECKS_H

#include "llvm/IR/Module.h"

namespace rewire {

// Has each call in a loop that may be inlined go to the function itself once the module's code is
// stale, which one byte of the module says. Frames that are in straight code go on in their copies
// until they return.
void checkInLoops(llvm::Module &module);

} // namespace rewire

#endif
