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
  // The values that are defined before and used behind, and where each is: its distance from the
  // transfer buffer's start.
  llvm::SmallVector<std::pair<llvm::Value *, int64_t>, 8> values;
  // Of the function's variables in its frame, those whose contents are used behind: indices of
  // LoopHeads::variables.
  llvm::SmallVector<unsigned, 8> contents;
};

// A variable in the frame that a body may need that goes on at one of the heads.
struct FrameVariable {
  llvm::AllocaInst *alloca;
  // Where the transfer buffer has its address; or where the variable is, if bodies that may be left
  // keep all in their frames.
  int64_t offset;
  // Nobody but the function's own loads and stores can name it, so it may be moved.
  bool is_private;
};

// The loop heads of a function. They, and the layout of the transfer buffer, depend on the
// function's IR alone, so all bodies of one definition agree on them.
//
// The buffer begins with the function's result; then come the address of the continuation, the
// address of the table of labels, the addresses of the variables, and the values. A value has the
// same offset at all heads.
//
// A quick body may keep its values where the code generator has put them, in the frame around the
// buffer (frame_layout.h). Then the buffer ends behind the table of labels, and the continuations
// that follow that body find the variables and the values around it.
struct LoopHeads {
  llvm::SmallVector<LoopHead, 4> heads;
  llvm::SmallVector<FrameVariable, 8> variables;
  // All values of the heads, in the order of their definitions.
  llvm::MapVector<llvm::Value *, int64_t> values;
  // The blocks whose addresses are taken, if a head's values may hold such addresses.
  llvm::SmallVector<llvm::BasicBlock *, 8> labels;
  // Values that are addresses of blocks.
  llvm::SmallPtrSet<const llvm::Value *, 4> label_values;
  uint64_t target_offset = 0;
  uint64_t label_table_offset = 0;
  uint64_t buffer_size = 0;
  // The buffer's size without variables and values.
  uint64_t frame_buffer_size = 0;
  bool is_in_frame = false;

  // What is found out about heads; each includes the former.
  enum class Detail {
    // Which there are. Another body may still be unable to go on at any of them.
    Places,
    Values,
    // Which contents of variables a body needs, and which variables are private.
    Contents,
  };

  // Finds the heads of a function; none where another body could not go on.
  static LoopHeads of(llvm::Function &function, Detail detail);

  // Has variables and values stay in the frame.
  void stayInFrame();

  // The same, at these distances from the buffer's start: of the values of each head, then of the
  // variables. A value without a place is needed by assumptions only, which are taken out of the
  // function; false if something else needs it.
  bool stayInFrameAt(llvm::ArrayRef<int32_t> places);
};

// No place in the frame.
inline constexpr int32_t kNowhere = INT32_MIN;

// Whether each value that several blocks of a function know is in one stack slot of its own
// wherever a block of its unoptimised code begins.
bool haveSlots(const llvm::Function &function);

} // namespace rewire

#endif
