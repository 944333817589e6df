// Loop heads: where one body of a function can leave off and another can go on.
#ifndef REWIRE_LOOP_HEADS_H
#define REWIRE_LOOP_HEADS_H

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/Function.h"
#include "llvm/IR/Instructions.h"

namespace rewire {

// The transfer buffer is packed.
inline constexpr llvm::Align kUnaligned = llvm::Align::Constant<1>();

// The block in which a value is needed: for a phi, the one that the value comes from.
inline llvm::BasicBlock *blockOf(const llvm::Use &use) {
  auto *user = llvm::cast<llvm::Instruction>(use.getUser());
  auto *phi = llvm::dyn_cast<llvm::PHINode>(user);
  return phi ? phi->getIncomingBlock(use) : user->getParent();
}

// The head of a loop, and what a body needs to go on there, behind the block's phis.
struct LoopHead {
  llvm::BasicBlock *block;
  // The values that are defined before and used behind, and the offset of each in the transfer
  // buffer.
  llvm::SmallVector<std::pair<llvm::Value *, uint64_t>, 8> values;
  // Of the function's variables in its frame, those whose contents are used behind: indices of
  // LoopHeads::variables.
  llvm::SmallVector<unsigned, 8> contents;
};

// A variable in the frame that a body may need that goes on at one of the heads.
struct FrameVariable {
  llvm::AllocaInst *alloca;
  // Where the transfer buffer has its address.
  uint64_t offset;
  // Nobody but the function's own loads and stores can name it, so it may be moved.
  bool is_private;
};

// The loop heads of a function. They, and the layout of the transfer buffer, depend on the
// function's IR alone, so all bodies of one definition agree on them.
//
// The buffer begins with the function's result; then come the address of the continuation, the
// addresses of the variables, the address of the table of labels, and the values. A value has the
// same offset at all heads.
struct LoopHeads {
  llvm::SmallVector<LoopHead, 4> heads;
  llvm::SmallVector<FrameVariable, 8> variables;
  // All values of the heads, in the order of their definitions.
  llvm::MapVector<llvm::Value *, uint64_t> values;
  // The blocks whose addresses are taken, if a head's values may hold such addresses.
  llvm::SmallVector<llvm::BasicBlock *, 8> labels;
  // Values that are addresses of blocks.
  llvm::SmallPtrSet<const llvm::Value *, 4> label_values;
  uint64_t target_offset = 0;
  uint64_t label_table_offset = 0;
  uint64_t buffer_size = 0;

  // Finds the heads of a function; none where another body could not go on. Which contents of
  // variables a body needs, and which variables are private, is left out unless it is asked for.
  static LoopHeads of(llvm::Function &function, bool with_contents);
};

} // namespace rewire

#endif
