// The few sections that objects of plain functions have.
//
// LLVM makes some sixty for each object, most of them for debug information, which takes longer
// than compiling a function of a few lines.
//
// The other sections that LLVM has members for are left over from a context that was reset. Nothing
// asks for them: plain functions have no inline assembly, debug information, exception tables or
// stack maps, and the object writer describes frames. Sections of variables are asked for by name.
#ifndef REWIRE_FAST_SECTIONS_H
#define REWIRE_FAST_SECTIONS_H

#include "llvm/CodeGen/CodeGenTargetMachineImpl.h"
#include "llvm/CodeGen/TargetLoweringObjectFileImpl.h"
#include "llvm/MC/MCContext.h"
#include <string>
#include <vector>

namespace rewire {

class FewSections final : public llvm::TargetLoweringObjectFileELF {
public:
  void Initialize(llvm::MCContext &context, const llvm::TargetMachine &machine) override;
  // Both are about sections that aren't loaded.
  llvm::MCSection *getSectionForCommandLines() const override { return nullptr; }
  void emitModuleMetadata(llvm::MCStreamer &, llvm::Module &) const override {}

  // Whether the next object may need sections of constants.
  bool has_constants = true;

private:
  struct Section {
    llvm::MCSection *llvm::MCObjectFileInfo::*place;
    std::string name;
    unsigned type, flags, entry_size;
  };
  // As LLVM makes them for this target; those of constants at the end.
  std::vector<Section> sections;
  llvm::MCContext *known = nullptr;
};

// The machine that code generation works with, as the pass that writes objects sees it: with these
// sections.
class MachineWithFewSections final : public llvm::CodeGenTargetMachineImpl {
public:
  explicit MachineWithFewSections(const llvm::TargetMachine &machine);

  const llvm::TargetSubtargetInfo *getSubtargetImpl(const llvm::Function &function) const override;
  FewSections *getObjFileLowering() const override { return &file; }

private:
  const llvm::TargetMachine &machine;
  mutable FewSections file;
};

} // namespace rewire

#endif
