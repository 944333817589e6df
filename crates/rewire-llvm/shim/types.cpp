// What tells types apart, whatever they are called: their structure and their layout in memory.

#include "types.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/DerivedTypes.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/BLAKE3.h"
#include <cstring>

using namespace llvm;
using namespace rewire;

namespace {

// What a type's identity is made of.
class Encoder {
public:
  void number(uint64_t value) {
    for (unsigned shift = 0; shift < 64; shift += 8)
      bytes.push_back(uint8_t(value >> shift));
  }

  void text(StringRef value) {
    number(value.size());
    bytes.append(value.bytes_begin(), value.bytes_end());
  }

  void part(const TypeId &id) { bytes.append(id.begin(), id.end()); }

  TypeId finish() const { return BLAKE3::hash<TypeId().size()>(bytes); }

private:
  SmallVector<uint8_t, 128> bytes;
};

// The size and alignment in memory. Those of what has none, and of what scales with the processor,
// follow from the structure.
void encodeLayout(Encoder &encoder, Type *type, const DataLayout &layout) {
  if (!type->isSized() || type->isScalableTy())
    return;
  encoder.number(layout.getTypeAllocSize(type).getFixedValue());
  encoder.number(layout.getABITypeAlign(type).value());
}

void encodeShape(Encoder &encoder, Type *type) {
  encoder.number(type->getTypeID());
  if (auto *integer = dyn_cast<IntegerType>(type)) {
    encoder.number(integer->getBitWidth());
  } else if (auto *pointer = dyn_cast<PointerType>(type)) {
    encoder.number(pointer->getAddressSpace());
  } else if (auto *array = dyn_cast<ArrayType>(type)) {
    encoder.number(array->getNumElements());
  } else if (auto *vector = dyn_cast<VectorType>(type)) {
    encoder.number(vector->getElementCount().getKnownMinValue());
  } else if (auto *function = dyn_cast<FunctionType>(type)) {
    encoder.number(function->isVarArg());
  } else if (auto *structure = dyn_cast<StructType>(type)) {
    encoder.number(structure->isOpaque());
    encoder.number(structure->isPacked());
  } else if (auto *extension = dyn_cast<TargetExtType>(type)) {
    encoder.text(extension->getName());
    for (unsigned value : extension->int_params())
      encoder.number(value);
  }
  encoder.number(type->getNumContainedTypes());
}

} // namespace

// Each type is looked at once, its parts before it, so that types which share parts cost no more
// than the parts. Types can't contain themselves: pointers don't say what they point to.
const TypeId &RewireTypes::id(Type *type) {
  SmallVector<Type *, 16> work{type};
  while (!work.empty()) {
    Type *next = work.back();
    if (known.contains(next)) {
      work.pop_back();
      continue;
    }
    const size_t before = work.size();
    for (Type *part : next->subtypes())
      if (!known.contains(part))
        work.push_back(part);
    if (work.size() > before)
      continue;
    work.pop_back();
    Encoder encoder;
    encodeShape(encoder, next);
    for (Type *part : next->subtypes())
      encoder.part(known.find(part)->second);
    encodeLayout(encoder, next, layout);
    known[next] = encoder.finish();
  }
  return known.find(type)->second;
}

std::string RewireTypes::text(Type *type) { return toHex(id(type), /*LowerCase=*/true); }

RewireTypes *rewire_types_new(LLVMModuleRef module) {
  return new RewireTypes(unwrap(module)->getDataLayout());
}

void rewire_types_free(RewireTypes *types) { delete types; }

void rewire_type_id(RewireTypes *types, LLVMTypeRef type, uint8_t *id) {
  const TypeId &found = types->id(unwrap(type));
  std::memcpy(id, found.data(), found.size());
}
