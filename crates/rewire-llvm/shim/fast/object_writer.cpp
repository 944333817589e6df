// See object_writer.h.

#include "llvm/BinaryFormat/ELF.h"
#include "llvm/MC/MCAssembler.h"
#include "llvm/MC/MCExpr.h"
#include "llvm/MC/MCSectionELF.h"
#include "llvm/MC/MCSymbolELF.h"
#include "llvm/Support/raw_ostream.h"

#include "object_writer.h"

using namespace llvm;
using namespace rewire;

// More sections than this have, with their relocations, numbers that the symbol table can't hold.
static constexpr size_t kMostSections = 30000;

// The structures below are the file's, on a little-endian machine that makes code for itself.
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

template <typename T> static void put(raw_ostream &out, const T *values, size_t count) {
  out.write(reinterpret_cast<const char *>(values), count * sizeof(T));
}

void FastObjectWriter::reset() {
  full->reset();
  MCObjectWriter::reset();
}

void FastObjectWriter::setAssembler(MCAssembler *assembler) {
  MCObjectWriter::setAssembler(assembler);
  full->setAssembler(assembler);
}

// Whether a symbol is in the table. A label of the assembler's own is there only if it has to be.
static bool isNeeded(const MCSymbolELF &symbol) {
  return symbol.isUsedInReloc() ||
         (!symbol.isTemporary() && symbol.getType() != ELF::STT_SECTION);
}

bool FastObjectWriter::isSimple() const {
  if (!full->Symvers.empty() || !full->Weakrefs.empty() || !full->Renames.empty() ||
      full->seenGnuAbi() || !CGProfile.empty() || EmitAddrsigSection)
    return false;
  size_t count = 0;
  for (const MCSection &section : *Asm) {
    auto &elf = static_cast<const MCSectionELF &>(section);
    if (++count > kMostSections || elf.getGroup() || (elf.getFlags() & ELF::SHF_LINK_ORDER))
      return false;
    // What isn't loaded is not written, so nothing may be relocated there.
    if (!(elf.getFlags() & ELF::SHF_ALLOC) && full->Relocations.contains(&elf))
      return false;
  }
  for (const MCSymbol &symbol : Asm->symbols()) {
    auto &elf = static_cast<const MCSymbolELF &>(symbol);
    if (symbol.isVariable() || elf.isCommon() || elf.isWeakref() || elf.isSignature())
      return false;
    if (!isNeeded(elf) || symbol.isUndefined())
      continue;
    if (!symbol.isInSection() || elf.isMemtag())
      return false;
    auto &section = static_cast<const MCSectionELF &>(symbol.getSection());
    if (!(section.getFlags() & ELF::SHF_ALLOC))
      return false;
  }
  return true;
}

uint32_t FastObjectWriter::nameOf(StringRef name) {
  if (name.empty())
    return 0;
  const uint32_t place = names.size();
  names.append(name.data(), name.size());
  names.push_back('\0');
  return place;
}

void FastObjectWriter::addSymbol(const MCSymbolELF &symbol) {
  ELF::Elf64_Sym entry = {};
  const bool is_section = symbol.getType() == ELF::STT_SECTION;
  entry.st_name = is_section ? 0 : nameOf(symbol.getName());
  entry.setBindingAndType(symbol.getBinding(), symbol.getType());
  entry.st_other = symbol.getOther() | symbol.getVisibility();
  if (!symbol.isUndefined()) {
    entry.st_shndx = places[symbol.getSection().getOrdinal()];
    entry.st_value = Asm->getSymbolOffset(symbol);
    int64_t size = 0;
    if (symbol.getSize() && symbol.getSize()->evaluateKnownAbsolute(size, *Asm))
      entry.st_size = size;
  }
  symbol.setIndex(symbols.size());
  symbols.push_back(entry);
}

// False if there is something that only LLVM can describe.
bool FastObjectWriter::makeFrames() {
  if (!frames.describe(framed->getDwarfFrameInfos(), *Asm))
    return false;
  for (const EhFrame::Start &start : frames.starts)
    start.function->getSection().getBeginSymbol()->setUsedInReloc();
  return true;
}

uint64_t FastObjectWriter::writeObject() {
  has_written = isSimple() && makeFrames();
  if (!has_written)
    return 0;
  const uint64_t start = out.tell();
  const auto at = [&] { return out.tell() - start; };
  const auto align = [&](uint64_t alignment) {
    out.write_zeros(offsetToAlignment(at(), Align(alignment)));
  };
  headers.assign(1, {});
  symbols.assign(1, {});
  places.clear();
  names.assign(1, '\0');

  ELF::Elf64_Ehdr header = {};
  put(out, &header, 1);
  // The sections, which the symbols refer to.
  for (const MCSection &section : *Asm) {
    auto &elf = static_cast<const MCSectionELF &>(section);
    places.push_back(elf.getFlags() & ELF::SHF_ALLOC ? headers.size() : 0);
    if (!places.back())
      continue;
    ELF::Elf64_Shdr one = {};
    one.sh_name = nameOf(elf.getName());
    one.sh_type = elf.getType();
    one.sh_flags = elf.getFlags();
    one.sh_addralign = elf.getAlign().value();
    one.sh_entsize = elf.getEntrySize();
    align(one.sh_addralign);
    one.sh_offset = at();
    if (elf.isBssSection()) {
      one.sh_size = Asm->getSectionAddressSize(elf);
    } else {
      Asm->writeSectionData(out, &elf);
      one.sh_size = at() - one.sh_offset;
    }
    headers.push_back(one);
  }
  const uint32_t described = headers.size();
  if (!frames.starts.empty()) {
    // As LLVM's (psABI, "Special Sections").
    ELF::Elf64_Shdr one = {};
    one.sh_name = nameOf(".eh_frame");
    one.sh_type = ELF::SHT_X86_64_UNWIND;
    one.sh_flags = ELF::SHF_ALLOC;
    one.sh_addralign = 8;
    align(one.sh_addralign);
    one.sh_offset = at();
    one.sh_size = frames.bytes.size();
    out << frames.bytes;
    headers.push_back(one);
  }
  // Local symbols come first (gABI, "Symbol Table").
  for (const bool local : {true, false}) {
    for (const MCSymbol &symbol : Asm->symbols()) {
      auto &elf = static_cast<const MCSymbolELF &>(symbol);
      if (isNeeded(elf) && (elf.getBinding() == ELF::STB_LOCAL) == local)
        addSymbol(elf);
    }
    if (local)
      headers[0].sh_info = symbols.size();
  }
  const uint32_t locals = headers[0].sh_info;
  headers[0].sh_info = 0;
  // The relocations; the symbol table comes behind them.
  uint32_t table = headers.size() + !frames.starts.empty();
  for (const MCSection &section : *Asm)
    table += full->Relocations.contains(static_cast<const MCSectionELF *>(&section));
  align(8);
  const auto beginRelocations = [&](StringRef of, uint32_t place) {
    ELF::Elf64_Shdr one = {};
    one.sh_name = nameOf((".rela" + of).str());
    one.sh_type = ELF::SHT_RELA;
    one.sh_flags = ELF::SHF_INFO_LINK;
    one.sh_link = table;
    one.sh_info = place;
    one.sh_addralign = 8;
    one.sh_entsize = sizeof(ELF::Elf64_Rela);
    one.sh_offset = at();
    headers.push_back(one);
  };
  const auto relocate = [&](uint64_t offset, const MCSymbolELF *symbol, unsigned type,
                            int64_t addend) {
    ELF::Elf64_Rela relocation = {};
    relocation.r_offset = offset;
    relocation.setSymbolAndType(symbol ? symbol->getIndex() : 0, type);
    relocation.r_addend = addend;
    put(out, &relocation, 1);
  };
  const auto endRelocations = [&] { headers.back().sh_size = at() - headers.back().sh_offset; };
  for (const MCSection &section : *Asm) {
    auto &elf = static_cast<const MCSectionELF &>(section);
    auto found = full->Relocations.find(&elf);
    if (found == full->Relocations.end())
      continue;
    beginRelocations(elf.getName(), places[elf.getOrdinal()]);
    for (const ELFRelocationEntry &entry : found->second)
      relocate(entry.Offset, entry.Symbol, entry.Type, entry.Addend);
    endRelocations();
  }
  if (!frames.starts.empty()) {
    beginRelocations(".eh_frame", described);
    for (const EhFrame::Start &start : frames.starts) {
      auto *section =
          static_cast<const MCSymbolELF *>(start.function->getSection().getBeginSymbol());
      relocate(start.place, section, ELF::R_X86_64_PC32, Asm->getSymbolOffset(*start.function));
    }
    endRelocations();
  }
  ELF::Elf64_Shdr one = {};
  one.sh_name = nameOf(".symtab");
  one.sh_type = ELF::SHT_SYMTAB;
  one.sh_link = table + 1;
  one.sh_info = locals;
  one.sh_addralign = 8;
  one.sh_entsize = sizeof(ELF::Elf64_Sym);
  one.sh_offset = at();
  put(out, symbols.data(), symbols.size());
  one.sh_size = at() - one.sh_offset;
  headers.push_back(one);
  one = {};
  one.sh_name = nameOf(".strtab");
  one.sh_type = ELF::SHT_STRTAB;
  one.sh_addralign = 1;
  one.sh_offset = at();
  put(out, names.data(), names.size());
  one.sh_size = names.size();
  headers.push_back(one);
  align(8);

  memcpy(header.e_ident, ELF::ElfMagic, 4);
  header.e_ident[ELF::EI_CLASS] = ELF::ELFCLASS64;
  header.e_ident[ELF::EI_DATA] = ELF::ELFDATA2LSB;
  header.e_ident[ELF::EI_VERSION] = ELF::EV_CURRENT;
  header.e_type = ELF::ET_REL;
  header.e_machine = full->TargetObjectWriter->getEMachine();
  header.e_version = ELF::EV_CURRENT;
  header.e_shoff = at();
  header.e_ehsize = sizeof(header);
  header.e_shentsize = sizeof(ELF::Elf64_Shdr);
  header.e_shnum = headers.size();
  header.e_shstrndx = table + 1;
  put(out, headers.data(), headers.size());
  out.pwrite(reinterpret_cast<const char *>(&header), sizeof(header), start);
  return at();
}
