// Where a quick body's frame has the values that are needed at the heads of its loops.
//
// Without optimisation, LLVM gives each value that several blocks know one stack slot, and stores
// it there wherever it is defined. So a body can be left at a head without having kept anything for
// that; only, nobody knows where the slots are. When a loop of it is hot, its IR is compiled once
// more, with a variable of debug information for each value, which the register allocator then
// leads to the slot. The code is the same as that of the body, which can be compared, and so are
// the places.
//
// What a phi of a head gets is in the slot where its incoming values meet, until the phi takes it.
#ifndef REWIRE_FRAME_LAYOUT_H
#define REWIRE_FRAME_LAYOUT_H

#include "loop_heads.h"
#include "llvm/CodeGen/MachineFunction.h"
#include "llvm/CodeGen/TargetPassConfig.h"
#include <optional>
#include <vector>

namespace rewire {

class FrameLayout {
public:
  // Has the next function that is compiled say where its variables and values are.
  void ask(llvm::Function &function, const LoopHeads &heads);

  // Nobody asks any more.
  void stopAsking() { is_asked = false; }

  // The distances from the start of the transfer buffer: of the values of each head, then of the
  // variables. None if nobody asked, or if they couldn't be found.
  llvm::ArrayRef<int32_t> places() const { return found; }

  // Adds what finds them to a pipeline, before the pipeline's machine passes are added.
  void addTo(llvm::TargetPassConfig &config);

  // Has the debug values of a head's phis name what the phis take.
  void followPhis(llvm::MachineFunction &code);
  // Takes the debug values out again, and notes the slots.
  void noteSlots(llvm::MachineFunction &code, int buffer);
  // Notes where the slots are.
  void notePlaces(const llvm::MachineFunction &code);

private:
  bool is_asked = false;
  int buffer = -1;
  // Of the values of each head, then of the variables.
  std::vector<std::optional<int>> slots;
  // Whether each is a phi of the head at which it is told.
  std::vector<bool> phis;
  std::vector<int32_t> found;
};

} // namespace rewire

#endif
