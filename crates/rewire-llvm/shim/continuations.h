// The polls in loops that hold copies of other functions.
#ifndef REWIRE_CONTINUATIONS_H
#define REWIRE_CONTINUATIONS_H

#include "llvm/IR/Function.h"
#include "llvm/IR/Instructions.h"

namespace rewire {

// Whether a branch leaves a loop when a copy that the loop holds is outdated.
bool isPoll(const llvm::BranchInst &branch);
// Where a poll leads when it strikes: to where the engine is asked, which may have the loop go on.
llvm::BasicBlock *askingBlock(const llvm::BranchInst &poll);
// Decides which of a function's variables are still its own, now that it holds all the copies that
// it will hold: when a loop is left, their contents are copied, so that they may be in registers
// until then. Must be done once. Returns whether anything was changed.
bool settleVariables(llvm::Function &function);
// Whether any of a function's loops asks.
bool hasPolls(const llvm::Function &function);

} // namespace rewire

#endif
