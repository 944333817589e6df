// Writes small objects fast.
//
// LLVM's writer sorts names into a table that shares endings, and has maps, sections and symbols
// for what few objects hold. For a function of a few lines, it took a tenth of code generation.
#ifndef REWIRE_FAST_OBJECT_WRITER_H
#define REWIRE_FAST_OBJECT_WRITER_H

#include "llvm/BinaryFormat/ELF.h"
#include "llvm/MC/MCELFObjectWriter.h"
#include "llvm/MC/MCStreamer.h"
#include "llvm/MC/MCValue.h"
#include "llvm/MC/MCSymbolELF.h"
#include "eh_frame.h"
#include <memory>
#include <string>
#include <vector>

namespace rewire {

// Relocations and bindings are LLVM's; the file is written here (gABI, chapters 4 and 5): loaded
// sections, their relocations, descriptions of frames, the symbols that somebody refers to or may
// look up, and names. What it doesn't know (groups, aliases, common symbols) it doesn't write.
class FastObjectWriter final : public llvm::MCObjectWriter {
public:
  // `full` makes the relocations; `out` lives longer.
  FastObjectWriter(std::unique_ptr<llvm::ELFObjectWriter> full, llvm::raw_pwrite_stream &out)
      : full(std::move(full)), out(out) {}

  // `streamer` knows the frames, and doesn't describe them itself. It owns this writer.
  void describeFrames(const llvm::MCStreamer &streamer) { framed = &streamer; }

  // Whether the last object was written; otherwise it is one for LLVM's writer.
  bool hasWritten() const { return has_written; }

  void reset() override;
  void setAssembler(llvm::MCAssembler *assembler) override;
  void executePostLayoutBinding() override { full->executePostLayoutBinding(); }
  void recordRelocation(const llvm::MCFragment &fragment, const llvm::MCFixup &fixup,
                        llvm::MCValue target, uint64_t &value) override {
    full->recordRelocation(fragment, fixup, target, value);
  }
  bool isSymbolRefDifferenceFullyResolvedImpl(const llvm::MCSymbol &symbol,
                                              const llvm::MCFragment &fragment, bool in_set,
                                              bool is_relative) const override {
    return full->isSymbolRefDifferenceFullyResolvedImpl(symbol, fragment, in_set, is_relative);
  }
  uint64_t writeObject() override;

private:
  bool isSimple() const;
  bool makeFrames();
  void addSymbol(const llvm::MCSymbolELF &symbol);
  uint32_t nameOf(llvm::StringRef name);

  std::unique_ptr<llvm::ELFObjectWriter> full;
  llvm::raw_pwrite_stream &out;
  const llvm::MCStreamer *framed = nullptr;
  bool has_written = false;
  // Used again for each object.
  std::vector<llvm::ELF::Elf64_Shdr> headers;
  std::vector<llvm::ELF::Elf64_Sym> symbols;
  // The header of each of the assembler's sections; 0 for those that aren't written.
  std::vector<uint16_t> places;
  std::string names;
  EhFrame frames;
};

} // namespace rewire

#endif
