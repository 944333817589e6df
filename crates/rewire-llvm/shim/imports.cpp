// See imports.h.

#include "imports.h"
#include "abi_attributes.h"
#include "index.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/Function.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;
using namespace rewire;

// Types that attributes name are alike where they take the same memory.
static bool passesAlike(const DataLayout &layout, AttributeSet one, AttributeSet other) {
  for (Attribute::AttrKind kind : kAbiParameter) {
    if (one.hasAttribute(kind) != other.hasAttribute(kind))
      return false;
    if (!one.hasAttribute(kind) || kind == Attribute::ElementType)
      continue;
    const Attribute here = one.getAttribute(kind), there = other.getAttribute(kind);
    if (here.isIntAttribute() && here.getValueAsInt() != there.getValueAsInt())
      return false;
    if (here.isTypeAttribute() && here.getValueAsType() && there.getValueAsType() &&
        layout.getTypeAllocSize(here.getValueAsType()) !=
            layout.getTypeAllocSize(there.getValueAsType()))
      return false;
  }
  return true;
}

bool Imports::fits(const Function &declared, const Function &definition) {
  if (declared.getFunctionType() != definition.getFunctionType() ||
      declared.getCallingConv() != definition.getCallingConv() ||
      declared.getAddressSpace() != definition.getAddressSpace())
    return false;
  const AttributeList here = declared.getAttributes(), there = definition.getAttributes();
  const DataLayout &layout = declared.getParent()->getDataLayout();
  if (!passesAlike(layout, here.getRetAttrs(), there.getRetAttrs()))
    return false;
  for (unsigned i = 0; i < declared.arg_size(); ++i)
    if (!passesAlike(layout, here.getParamAttrs(i), there.getParamAttrs(i)))
      return false;
  return true;
}

bool Imports::flagsAgree(const Module &other) const {
  SmallVector<Module::ModuleFlagEntry, 8> flags;
  other.getModuleFlagsMetadata(flags);
  return all_of(flags, [&](const Module::ModuleFlagEntry &flag) {
    const Metadata *here = source.getModuleFlag(flag.Key->getString());
    return !here || here == flag.Val;
  });
}

bool Imports::privatesMayBeCopied(const Module &other) const {
  return all_of(other.global_values(), [&](const GlobalValue &global) {
    const Reference *known = reference(global);
    if (!known || !known->is_private)
      return true;
    auto *variable = dyn_cast<GlobalVariable>(&global);
    return variable && variable->hasInitializer() && variable->isConstant() &&
           variable->hasGlobalUnnamedAddr() && !variable->isThreadLocal();
  });
}

Imports::Found Imports::find(uint32_t number, size_t most) {
  RewireImport answer = {};
  if (!importer || !importer->find(importer->data, number, most, &answer))
    return {};
  const MemoryBufferRef buffer(StringRef(answer.bitcode, answer.length), "import");
  Expected<std::unique_ptr<Module>> read = parseBitcodeFile(buffer, source.getContext());
  if (!read) {
    consumeError(read.takeError());
    return {};
  }
  if (!flagsAgree(**read))
    return {};
  for (size_t i = 0; i < answer.reference_count; ++i) {
    const RewireReference &one = answer.references[i];
    if (GlobalValue *global = (*read)->getNamedValue(utostr(one.ordinal)))
      references[global] = {one.number, std::string(one.name, one.name_length), one.is_near,
                            one.is_current, one.is_private};
  }
  auto *definition =
      dyn_cast_or_null<GlobalObject>((*read)->getNamedValue(utostr(answer.ordinal)));
  modules.push_back(std::move(*read));
  if (!definition || definition->isDeclaration() || !privatesMayBeCopied(*modules.back()))
    return {};
  return {definition, answer.number};
}
