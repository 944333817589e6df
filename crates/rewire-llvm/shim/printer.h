// What writes objects of plain functions (plain.h).
#ifndef REWIRE_PRINTER_H
#define REWIRE_PRINTER_H

#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/CodeGen/CodeGenTargetMachineImpl.h"
#include "llvm/CodeGen/TargetLoweringObjectFileImpl.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/MC/MCContext.h"
#include "object_writer.h"
#include "sequence.h"
#include <memory>
#include <string>
#include <vector>

// The sections that plain functions may need. LLVM's own makes some sixty for each object, most of
// them for debug information, which takes longer than compiling a function of a few lines.
//
// The other sections that it has members for are those of a context that was reset. Nothing plain
// asks for them: no inline assembly, debug information, table of exceptions or stack map; the
// writer of objects describes frames. Sections of variables are asked for by name.
class RewirePlainObjectFile final : public llvm::TargetLoweringObjectFileELF {
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

// The machine that code generation works with, as the printer of assembly sees it: with these
// sections.
class RewirePrinterMachine final : public llvm::CodeGenTargetMachineImpl {
public:
  explicit RewirePrinterMachine(const llvm::TargetMachine &machine);

  const llvm::TargetSubtargetInfo *getSubtargetImpl(const llvm::Function &function) const override;
  RewirePlainObjectFile *getObjFileLowering() const override { return &file; }

private:
  const llvm::TargetMachine &machine;
  mutable RewirePlainObjectFile file;
};

// A pipeline for plain functions, and what it writes with.
class RewirePlainPipeline {
public:
  // Null where the target has none. `machine` and `out` live longer.
  static std::unique_ptr<RewirePlainPipeline> make(llvm::CodeGenTargetMachineImpl &machine,
                                                   llvm::raw_pwrite_stream &out,
                                                   const llvm::TargetLibraryInfoImpl &library);

  // Writes an object. The module is plain. False if its object is one for LLVM's writer: nothing
  // was written then, and the module is as good as before.
  bool run(llvm::Module &module, bool has_constants);

private:
  explicit RewirePlainPipeline(llvm::CodeGenTargetMachineImpl &machine);

  RewirePrinterMachine printer;
  llvm::MCContext context;
  // Destroyed before what its passes refer to.
  llvm::legacy::PassManager passes;
  // Both belong to the pass that writes.
  llvm::MCStreamer *streamer = nullptr;
  RewireObjectWriter *objects = nullptr;
  // The only pass of `passes`, with all others in it.
  RewireSequence *sequence = nullptr;
};

#endif
