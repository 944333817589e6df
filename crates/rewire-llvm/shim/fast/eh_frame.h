// Descriptions of frames, for the unwinder, as `.eh_frame` has them.
//
// LLVM makes them out of symbols and expressions before it knows where anything is, and then works
// those out. Once all places are known, they are a few bytes for each function.
#ifndef REWIRE_FAST_EH_FRAME_H
#define REWIRE_FAST_EH_FRAME_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/MC/MCAssembler.h"
#include "llvm/MC/MCDwarf.h"
#include <vector>

namespace rewire {

// The section's bytes, and where each function's address has to be put in: relative to that place,
// in four bytes.
struct EhFrame {
  struct Start {
    uint32_t place;
    const llvm::MCSymbol *function;
  };
  llvm::SmallString<128> bytes;
  std::vector<Start> starts;

  // Describes the frames of functions without personality (Linux Standard Base, "Exception Frames";
  // DWARF 5, section 6.4). All is laid out. False if there is something that isn't known here.
  bool describe(llvm::ArrayRef<llvm::MCDwarfFrameInfo> functions,
                const llvm::MCAssembler &assembler);
};

} // namespace rewire

#endif
