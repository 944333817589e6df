// What a function promises its callers and demands of them, beyond its type: the attributes that an
// optimiser may have used in callers that it compiled elsewhere.

#include "abi_attributes.h"
#include "index.h"
#include "types.h"

#include "llvm/IR/Attributes.h"
#include "llvm/IR/Function.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/Support/ModRef.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace rewire;

namespace {

constexpr Attribute::AttrKind kFunctionPromises[] = {
    Attribute::NoUnwind, Attribute::NoReturn, Attribute::WillReturn, Attribute::NoFree,
    Attribute::NoSync,   Attribute::NoCallback, Attribute::Speculatable};

constexpr Attribute::AttrKind kResultPromises[] = {
    Attribute::NoAlias, Attribute::NonNull,   Attribute::Dereferenceable,
    Attribute::Alignment, Attribute::Range,   Attribute::NoFPClass};

// What the callee does with what an argument points to.
constexpr Attribute::AttrKind kArgumentPromises[] = {
    Attribute::ReadNone, Attribute::ReadOnly, Attribute::WriteOnly, Attribute::Captures,
    Attribute::NoFree,   Attribute::Returned};

constexpr Attribute::AttrKind kArgumentDemands[] = {
    Attribute::NonNull, Attribute::NoAlias, Attribute::Dereferenceable,
    Attribute::DereferenceableOrNull, Attribute::Alignment, Attribute::Range};

class Printer {
public:
  Printer(raw_ostream &out, RewireTypes &types) : out(out), types(types) {}

  void print(char what, StringRef where, AttributeSet set, ArrayRef<Attribute::AttrKind> kinds) {
    for (Attribute::AttrKind kind : kinds)
      if (set.hasAttribute(kind))
        print(what, where, set.getAttribute(kind));
  }

  void print(char what, AttributeSet set, ArrayRef<const char *> names) {
    for (const char *name : names)
      if (set.hasAttribute(name))
        print(what, " ", set.getAttribute(name));
  }

  // Of a value that is copied to the stack, the alignment says where there.
  void printCopied(StringRef where, AttributeSet set) {
    const bool copied = set.hasAttribute(Attribute::ByVal) ||
                        set.hasAttribute(Attribute::InAlloca) ||
                        set.hasAttribute(Attribute::Preallocated);
    if (copied && set.hasAttribute(Attribute::Alignment))
      print('a', where, set.getAttribute(Attribute::Alignment));
  }

  // One promise for each kind of memory that is never read, or never written.
  void print(MemoryEffects effects) {
    if (effects == MemoryEffects::unknown())
      return;
    for (auto location : MemoryEffects::locations()) {
      ModRefInfo info = effects.getModRef(location);
      int number = static_cast<int>(location);
      if (!isRefSet(info))
        out << "p it never reads memory of kind " << number << '\n';
      if (!isModSet(info))
        out << "p it never writes memory of kind " << number << '\n';
    }
  }

private:
  raw_ostream &out;
  RewireTypes &types;

  void print(char what, StringRef where, Attribute attribute) {
    out << what << where << attribute.getAsString();
    if (attribute.isTypeAttribute())
      out << '\t' << types.text(attribute.getValueAsType());
    out << '\n';
  }
};

} // namespace

const void *rewire_attributes(LLVMValueRef global, unsigned *convention) {
  auto *function = dyn_cast<Function>(unwrap<GlobalValue>(global));
  *convention = function ? function->getCallingConv() : 0;
  return function ? function->getAttributes().getRawPointer() : nullptr;
}

char *rewire_contract(RewireTypes *types, LLVMValueRef global) {
  auto &function = *unwrap<Function>(global);
  std::string text;
  raw_string_ostream stream(text);
  Printer printer(stream, *types);
  AttributeList attributes = function.getAttributes();
  if (function.getCallingConv() != CallingConv::C)
    stream << "a calling convention " << function.getCallingConv() << '\n';
  printer.print('a', " result ", attributes.getRetAttrs(), kAbiParameter);
  printer.print('p', " ", attributes.getFnAttrs(), kFunctionPromises);
  printer.print('p', attributes.getFnAttrs(), kAbiPromiseStrings);
  printer.print('d', " ", attributes.getFnAttrs(), kAbiDemands);
  printer.print('d', attributes.getFnAttrs(), kAbiDemandStrings);
  printer.print('p', " result ", attributes.getRetAttrs(), kResultPromises);
  printer.print(function.getMemoryEffects());
  for (unsigned place = 0; place < function.arg_size(); ++place) {
    std::string where = " argument " + std::to_string(place + 1) + " ";
    AttributeSet set = attributes.getParamAttrs(place);
    printer.print('a', where, set, kAbiParameter);
    printer.printCopied(where, set);
    printer.print('p', where, set, kArgumentPromises);
    printer.print('d', where, set, kArgumentDemands);
  }
  return newMessage(text);
}

bool rewire_may_throw(LLVMValueRef global) {
  auto *function = dyn_cast<Function>(unwrap<GlobalValue>(global));
  if (!function || function->isDeclaration() || function->isMaterializable())
    return true;
  if (function->doesNotThrow())
    return false;
  for (Instruction &instruction : instructions(*function))
    if (instruction.mayThrow())
      return true;
  return false;
}
