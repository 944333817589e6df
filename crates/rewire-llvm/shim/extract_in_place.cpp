// A module that holds one function and nothing else becomes the extracted one itself; and what is
// asked of copies of modules from which something was extracted.

#include "abi_attributes.h"
#include "front.h"
#include "index.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"

using namespace llvm;
using namespace rewire;

// Whether a name means the same in an object as in its module, and the global can be declared.
static bool isKeptName(const GlobalValue &global) {
  return global.hasName() && !global.getName().contains(".rewire.") &&
         (global.hasExternalLinkage() || global.hasExternalWeakLinkage()) &&
         mangledName(global).empty();
}

static bool isAllOfItsModule(const Module &ir, const Function &function) {
  if (!ir.global_empty() || !ir.alias_empty() || !ir.ifunc_empty() || !ir.named_metadata_empty() ||
      !ir.getModuleInlineAsm().empty())
    return false;
  // Mentions of itself would have to be kept apart from the body; addresses of its blocks are
  // such mentions.
  if (function.isDeclaration() || function.isMaterializable() || !function.use_empty() ||
      needsFront(function) ||
      function.hasFnAttribute(Attribute::AlwaysInline) || !function.hasExternalLinkage())
    return false;
  return llvm::all_of(ir, [&](const Function &one) {
    if (&one != &function && (!one.isDeclaration() || one.isMaterializable()))
      return false;
    return one.isIntrinsic() || isKeptName(one);
  });
}

bool rewire_is_all(const RewireIndex *index, size_t root) {
  auto *function = dyn_cast<Function>(index->globals[root]);
  return function && index->isVerified(root) && isAllOfItsModule(index->module, *function);
}

void rewire_extract_in_place(RewireIndex *index, size_t root, const uint8_t *states) {
  auto *function = cast<Function>(index->globals[root]);
  // As Extractor::clone, Extractor::move and Extractor::declare.
  index->shown.clear();
  index->taken.insert(function);
  function->setVisibility(GlobalValue::DefaultVisibility);
  function->setDSOLocal(false);
  function->setComdat(nullptr);
  function->setSection("");
  for (Instruction &instruction : instructions(*function))
    if (instruction.hasMetadataOtherThanDebugLoc())
      instruction.setMetadata(LLVMContext::MD_callees, nullptr);
  for (Function &one : index->module) {
    if (&one == function || one.isIntrinsic())
      continue;
    const uint8_t state = __atomic_load_n(&states[index->ordinals.lookup(&one)], __ATOMIC_RELAXED);
    one.setVisibility(GlobalValue::DefaultVisibility);
    one.setUnnamedAddr(GlobalValue::UnnamedAddr::None);
    one.setDSOLocal(!one.hasExternalWeakLinkage() && (state & REWIRE_ELECTED));
    one.setAttributes(keepAbi(one.getContext(), one.getAttributes(), one.arg_size()));
  }
}

const size_t *rewire_shown(const RewireIndex *index, size_t *count) {
  *count = index->shown.size();
  return index->shown.data();
}

bool rewire_is_intact(const RewireIndex *index) { return index->taken.empty(); }

bool rewire_is_taken(const RewireIndex *index, size_t ordinal) {
  auto *function = dyn_cast<Function>(index->globals[ordinal]);
  return function && index->taken.contains(function);
}

LLVMModuleRef rewire_extract_asm(RewireIndex *index) {
  Module &source = index->module;
  if (source.getModuleInlineAsm().empty())
    return nullptr;
  auto *target = new Module("", source.getContext());
  target->setDataLayout(source.getDataLayout());
  target->setTargetTriple(source.getTargetTriple());
  target->setModuleInlineAsm(source.getModuleInlineAsm());
  return wrap(target);
}
