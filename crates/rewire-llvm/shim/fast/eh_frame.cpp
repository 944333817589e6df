// See eh_frame.h.

#include "eh_frame.h"
#include "llvm/BinaryFormat/Dwarf.h"
#include "llvm/MC/MCAsmInfo.h"
#include "llvm/MC/MCContext.h"
#include "llvm/MC/MCRegisterInfo.h"
#include "llvm/Support/LEB128.h"

using namespace llvm;
using namespace rewire;

namespace {

// Of the common part.
constexpr uint8_t kVersion = 1;

// What offsets of saved registers are multiples of.
constexpr int64_t kDataAlignment = -8;

class Writer {
public:
  Writer(SmallString<128> &bytes, const MCAssembler &assembler)
      : assembler(assembler), bytes(bytes) {}

  uint32_t place() const { return bytes.size(); }
  void byte(uint8_t value) { bytes.push_back(value); }
  void word(uint32_t value) {
    const auto *first = reinterpret_cast<const char *>(&value);
    bytes.append(first, first + sizeof(value));
  }
  void unsignedLeb(uint64_t value) {
    uint8_t encoded[10];
    bytes.append(encoded, encoded + encodeULEB128(value, encoded));
  }
  void signedLeb(int64_t value) {
    uint8_t encoded[10];
    bytes.append(encoded, encoded + encodeSLEB128(value, encoded));
  }

  // Leaves room for the length of what begins here.
  uint32_t begin() {
    word(0);
    return place();
  }

  // Fills it up with instructions that do nothing, and says how long it is.
  void end(uint32_t start, uint32_t alignment) {
    while (place() % alignment)
      byte(dwarf::DW_CFA_nop);
    const uint32_t length = place() - start;
    memcpy(bytes.data() + start - sizeof(length), &length, sizeof(length));
  }

  void common(const MCContext &context);
  bool function(const MCDwarfFrameInfo &frame);

private:
  void advance(uint64_t distance);
  void withRegister(uint8_t short_form, uint8_t long_form, unsigned number);
  bool instruction(const MCCFIInstruction &one);

  const MCAssembler &assembler;
  SmallString<128> &bytes;
  // Of the canonical frame address, from the register that it is reckoned from.
  int64_t offset = 0;
};

void Writer::common(const MCContext &context) {
  word(0);
  byte(kVersion);
  // The size of this kind of data is told; addresses are encoded.
  for (char one : {'z', 'R', '\0'})
    byte(one);
  unsignedLeb(1);
  signedLeb(kDataAlignment);
  const MCRegisterInfo &registers = *context.getRegisterInfo();
  byte(registers.getDwarfRegNum(registers.getRARegister(), /*isEH=*/true));
  unsignedLeb(1);
  byte(dwarf::DW_EH_PE_pcrel | dwarf::DW_EH_PE_sdata4);
  for (const MCCFIInstruction &one : context.getAsmInfo()->getInitialFrameState())
    instruction(one);
}

bool Writer::function(const MCDwarfFrameInfo &frame) {
  if (frame.Personality || frame.Lsda || frame.IsSignalFrame || frame.IsSimple ||
      frame.RAReg != MCDwarfFrameInfo().RAReg)
    return false;
  const uint64_t start = assembler.getSymbolOffset(*frame.Begin);
  word(assembler.getSymbolOffset(*frame.End) - start);
  unsignedLeb(0);
  const int64_t initially = offset;
  uint64_t at = start;
  bool known = true;
  for (const MCCFIInstruction &one : frame.Instructions) {
    if (const MCSymbol *label = one.getLabel()) {
      if (!label->isDefined())
        continue;
      const uint64_t there = assembler.getSymbolOffset(*label);
      advance(there - at);
      at = there;
    }
    known &= instruction(one);
  }
  offset = initially;
  return known;
}

void Writer::advance(uint64_t distance) {
  if (distance == 0)
    return;
  if (distance < 0x40) {
    byte(dwarf::DW_CFA_advance_loc | distance);
  } else if (distance <= UINT8_MAX) {
    byte(dwarf::DW_CFA_advance_loc1);
    byte(distance);
  } else if (distance <= UINT16_MAX) {
    byte(dwarf::DW_CFA_advance_loc2);
    byte(distance & 0xff);
    byte(distance >> 8);
  } else {
    byte(dwarf::DW_CFA_advance_loc4);
    word(distance);
  }
}

// The numbers of most registers have room in the instruction.
void Writer::withRegister(uint8_t short_form, uint8_t long_form, unsigned number) {
  if (number < 64) {
    byte(short_form | number);
  } else {
    byte(long_form);
    unsignedLeb(number);
  }
}

bool Writer::instruction(const MCCFIInstruction &one) {
  switch (one.getOperation()) {
  case MCCFIInstruction::OpDefCfa:
    offset = one.getOffset();
    byte(dwarf::DW_CFA_def_cfa);
    unsignedLeb(one.getRegister());
    unsignedLeb(offset);
    return true;
  case MCCFIInstruction::OpDefCfaRegister:
    byte(dwarf::DW_CFA_def_cfa_register);
    unsignedLeb(one.getRegister());
    return true;
  case MCCFIInstruction::OpDefCfaOffset:
  case MCCFIInstruction::OpAdjustCfaOffset:
    if (one.getOperation() == MCCFIInstruction::OpDefCfaOffset)
      offset = one.getOffset();
    else
      offset += one.getOffset();
    byte(dwarf::DW_CFA_def_cfa_offset);
    unsignedLeb(offset);
    return true;
  case MCCFIInstruction::OpOffset: {
    const int64_t factored = one.getOffset() / kDataAlignment;
    if (factored < 0) {
      byte(dwarf::DW_CFA_offset_extended_sf);
      unsignedLeb(one.getRegister());
      signedLeb(factored);
    } else {
      withRegister(dwarf::DW_CFA_offset, dwarf::DW_CFA_offset_extended, one.getRegister());
      unsignedLeb(factored);
    }
    return true;
  }
  case MCCFIInstruction::OpRestore:
    withRegister(dwarf::DW_CFA_restore, dwarf::DW_CFA_restore_extended, one.getRegister());
    return true;
  case MCCFIInstruction::OpRememberState:
    byte(dwarf::DW_CFA_remember_state);
    return true;
  case MCCFIInstruction::OpRestoreState:
    byte(dwarf::DW_CFA_restore_state);
    return true;
  case MCCFIInstruction::OpGnuArgsSize:
    byte(dwarf::DW_CFA_GNU_args_size);
    unsignedLeb(one.getOffset());
    return true;
  case MCCFIInstruction::OpEscape:
    bytes += one.getValues();
    return true;
  default:
    return false;
  }
}

} // namespace

bool EhFrame::describe(ArrayRef<MCDwarfFrameInfo> functions, const MCAssembler &assembler) {
  bytes.clear();
  starts.clear();
  if (functions.empty())
    return true;
  Writer writer(bytes, assembler);
  const uint32_t common = writer.begin();
  writer.common(assembler.getContext());
  writer.end(common, 4);
  for (const MCDwarfFrameInfo &frame : functions) {
    const uint32_t start = writer.begin();
    // How far back the common part begins, its length included.
    writer.word(writer.place());
    starts.push_back({writer.place(), frame.Begin});
    writer.word(0);
    if (!writer.function(frame))
      return false;
    // The section's size is a multiple of its alignment.
    writer.end(start, &frame == &functions.back() ? 8 : 4);
  }
  return true;
}
