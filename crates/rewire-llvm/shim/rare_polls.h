// Loops that are counted ask rarely whether they hold outdated copies.
#ifndef REWIRE_RARE_POLLS_H
#define REWIRE_RARE_POLLS_H

#include "llvm/IR/PassManager.h"

namespace rewire {

// Takes the polls (continuations.cpp) out of the counted loops of a function that call nothing, as
// far as each still asks after some thousands of passes. Returns whether anything was changed; then
// the function has loops that are simpler than before, and that have not been optimised.
bool pollRarely(llvm::Function &function, llvm::FunctionAnalysisManager &analyses);

} // namespace rewire

#endif
