// What lies before a function's address.
//
// Whoever looks there has the address, and the address leads to the function's front, an object of
// its own (Extractor::runFront). Sanitizers that compare types look there (`-fsanitize=kcfi`,
// `-fsanitize=function`), and so do those who patch functions (`-fpatchable-function-entry=N,M`).
// All of it becomes prefix data: code generation would give symbols of their own to hashes, and
// note each place to be patched in a table that the body is in already.

#include "front.h"
#include "shim.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Bitcode/LLVMBitCodes.h"
#include "llvm/Bitstream/BitstreamReader.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/Metadata.h"
#include "llvm/IR/Module.h"

using namespace llvm;
using namespace rewire;

namespace {

constexpr StringLiteral kPatchablePrefix = "patchable-function-prefix";
// `jmp .+8` and two bytes that are no instruction: what `-fsanitize=function` marks functions with.
constexpr uint32_t kMark = 0xc105cafe;
constexpr uint8_t kNop = 0x90;
// `mov $imm32, %eax`, in which the hash of a type lies for `-fsanitize=kcfi`.
constexpr uint8_t kHashed = 0xb8;
constexpr unsigned kAlignment = 16;

unsigned patchablePrefix(const Function &function) {
  unsigned count = 0;
  if (function.hasFnAttribute(kPatchablePrefix))
    function.getFnAttribute(kPatchablePrefix).getValueAsString().getAsInteger(10, count);
  return count;
}

void addBytes(SmallVectorImpl<uint8_t> &bytes, const MDOperand &operand) {
  auto *value = mdconst::dyn_extract_or_null<ConstantInt>(operand);
  const uint64_t number = value ? value->getZExtValue() : 0;
  for (unsigned i = 0; i < 4; ++i)
    bytes.push_back(uint8_t(number >> (8 * i)));
}

bool hasMarks(const Function &function) {
  return function.getMetadata(LLVMContext::MD_kcfi_type) ||
         function.getMetadata(LLVMContext::MD_func_sanitize) || patchablePrefix(function) > 0;
}

} // namespace

bool rewire::needsFront(const Function &function) {
  return function.hasPrefixData() || function.hasPrologueData() || hasMarks(function);
}

bool rewire_has_front(LLVMValueRef global) {
  auto *function = dyn_cast<Function>(unwrap<GlobalValue>(global));
  return function && !function->isDeclaration() && needsFront(*function);
}

Constant *rewire::frontData(Function &function) {
  Constant *own = function.hasPrefixData() ? function.getPrefixData() : nullptr;
  if (!hasMarks(function))
    return own;
  // In the order in which code generation writes them.
  SmallVector<uint8_t, 32> bytes;
  if (MDNode *type = function.getMetadata(LLVMContext::MD_kcfi_type)) {
    bytes.push_back(kHashed);
    addBytes(bytes, type->getOperand(0));
  }
  bytes.append(patchablePrefix(function), kNop);
  if (MDNode *marks = function.getMetadata(LLVMContext::MD_func_sanitize);
      marks && marks->getNumOperands() == 2) {
    addBytes(bytes, marks->getOperand(0));
    addBytes(bytes, marks->getOperand(1));
  }
  // The first instruction is aligned as that of a function without all this.
  const DataLayout &layout = function.getParent()->getDataLayout();
  const uint64_t before = own ? layout.getTypeAllocSize(own->getType()).getFixedValue() : 0;
  const uint64_t size = before + bytes.size();
  bytes.insert(bytes.begin(), alignTo(size, kAlignment) - size, kNop);
  Constant *marks = ConstantDataArray::get(function.getContext(), ArrayRef<uint8_t>(bytes));
  if (!own)
    return marks;
  return ConstantStruct::getAnon({own, marks}, /*Packed=*/true);
}

void rewire::dropFront(Function &body) {
  if (body.hasPrefixData())
    body.setPrefixData(nullptr);
  if (!body.hasMetadata())
    return;
  body.eraseMetadata(LLVMContext::MD_kcfi_type);
  body.eraseMetadata(LLVMContext::MD_func_sanitize);
}

namespace {

// Looks for a number among the constants of a module that belong to no body.
class ConstantsReader {
public:
  explicit ConstantsReader(ArrayRef<uint8_t> bitcode) : stream(bitcode) {
    stream.setBlockInfo(&info);
  }

  Expected<bool> find(uint64_t wanted) {
    // The magic number.
    if (Error failure = stream.JumpToBit(32))
      return failure;
    bool within = false;
    while (!stream.AtEndOfStream()) {
      Expected<BitstreamEntry> entry = stream.advance();
      if (!entry)
        return entry.takeError();
      if (entry->Kind == BitstreamEntry::Record) {
        Expected<bool> found = within ? isInteger(entry->ID, wanted) : skip(entry->ID);
        if (!found || *found)
          return found;
      } else if (entry->Kind == BitstreamEntry::SubBlock) {
        if (entry->ID == bitc::FUNCTION_BLOCK_ID)
          return false;
        within = entry->ID == bitc::CONSTANTS_BLOCK_ID;
        if (Error failure = enter(entry->ID))
          return failure;
      } else if (within || entry->Kind == BitstreamEntry::Error) {
        return false;
      }
    }
    return false;
  }

private:
  BitstreamCursor stream;
  BitstreamBlockInfo info;
  SmallVector<uint64_t, 8> record;

  Error enter(unsigned block) {
    if (block == bitc::BLOCKINFO_BLOCK_ID) {
      Expected<std::optional<BitstreamBlockInfo>> read = stream.ReadBlockInfoBlock();
      if (!read)
        return read.takeError();
      if (*read)
        info = std::move(**read);
      return Error::success();
    }
    if (block == bitc::MODULE_BLOCK_ID || block == bitc::CONSTANTS_BLOCK_ID)
      return stream.EnterSubBlock(block);
    return stream.SkipBlock();
  }

  Expected<bool> skip(unsigned abbreviation) {
    Expected<unsigned> code = stream.skipRecord(abbreviation);
    if (!code)
      return code.takeError();
    return false;
  }

  // Most constants are texts, which are passed over faster than they are read.
  Expected<bool> isInteger(unsigned abbreviation, uint64_t wanted) {
    const uint64_t start = stream.GetCurrentBitNo();
    Expected<unsigned> code = stream.skipRecord(abbreviation);
    if (!code)
      return code.takeError();
    if (*code != bitc::CST_CODE_INTEGER)
      return false;
    if (Error failure = stream.JumpToBit(start))
      return failure;
    record.clear();
    code = stream.readRecord(abbreviation, record);
    if (!code)
      return code.takeError();
    return !record.empty() && record[0] == wanted;
  }
};

} // namespace

// The metadata of functions lies in their bodies, which aren't read yet, but the numbers in it are
// constants of the module. Those of types may be any; the mark that goes with them is known.
bool rewire::mayMarkFunctions(StringRef bitcode) {
  const auto *begin = reinterpret_cast<const unsigned char *>(bitcode.data());
  const auto *end = begin + bitcode.size();
  if (isBitcodeWrapper(begin, end) && SkipBitcodeWrapperHeader(begin, end, true))
    return false;
  if (end - begin < 8)
    return false;
  // As the writer of bitcode writes a negative number.
  constexpr uint64_t kWritten = (uint64_t(-int64_t(int32_t(kMark))) << 1) | 1;
  Expected<bool> found = ConstantsReader(ArrayRef<uint8_t>(begin, end)).find(kWritten);
  if (found)
    return *found;
  // Whoever reads the module will say what is wrong with it.
  consumeError(found.takeError());
  return false;
}
