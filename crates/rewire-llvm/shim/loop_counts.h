// Counts passes of loop heads in machine code.
//
// A check in IR takes nine instructions and three blocks of each head; without optimisation, where
// LLVM's time goes with the number of instructions, that was an eighth of all compiling. Here a
// head is marked in IR, and gets its check when registers have been assigned. At the start of a
// block no value is in a register then, so the check may use any.
#ifndef REWIRE_LOOP_COUNTS_H
#define REWIRE_LOOP_COUNTS_H

#include "llvm/CodeGen/TargetPassConfig.h"
#include "llvm/IR/GlobalVariable.h"
#include "llvm/IR/Instructions.h"
#include "llvm/Target/TargetMachine.h"

namespace rewire {

class FrameLayout;

// The words that checks read, and the engine's answer to a check that has struck:
// process/loop_heads.rs.
inline constexpr llvm::StringLiteral kLoopWords = "rewire.loops";
inline constexpr llvm::StringLiteral kAskAtLoop = "__rewire_loop";

// What the checks of a function have in common.
struct LoopCounts {
  // Of the module's words, the index of the one that is the function's first.
  uint32_t first_word;
  // Where the transfer buffer, an `alloca` of the entry block, takes the continuation's address.
  uint64_t target_offset;
};

// Whether the code generator has the instructions that checks consist of.
bool canCountInCode(const llvm::TargetMachine &machine);

// Marks the head of a loop.
void markHead(llvm::BasicBlock &head, unsigned index);

// Marks the end of the block that calls the continuation. It must be reachable; heads need not lead
// there in IR.
void markLeaving(llvm::BranchInst &end, llvm::AllocaInst &buffer, const LoopCounts &counts);

// Has a pipeline add the checks, and find the places of values in the frame if it is asked. To be
// called before the pipeline's machine passes are added.
void addLoopCounts(llvm::TargetPassConfig &config, FrameLayout &layout);

} // namespace rewire

#endif
