// Numbering the globals of a module, and what the C API can't say about them.

#include "index.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/Mangler.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace rewire;

namespace {

// Notes the variables that a constant is part of the value of.
void noteHolders(RewireIndex &index, Function &function, const Constant &constant) {
  for (const User *user : constant.users()) {
    if (auto *variable = dyn_cast<GlobalVariable>(user)) {
      auto &functions = index.jump_tables[variable];
      if (!is_contained(functions, &function))
        functions.push_back(&function);
    } else if (isa<Constant>(user) && !isa<GlobalValue>(user)) {
      noteHolders(index, function, *cast<Constant>(user));
    }
  }
}

} // namespace

void rewire_on_out_of_memory(void (*handler)(const char *reason)) {
  static void (*installed)(const char *) = handler;
  install_bad_alloc_error_handler(
      [](void *, const char *reason, bool) { installed(reason); });
}

RewireIndex *rewire_index_new(LLVMModuleRef module) {
  Module &ir = *unwrap(module);
  auto *index = new RewireIndex(ir);
  auto add = [&](GlobalValue &global) {
    index->ordinals[&global] = index->globals.size();
    index->globals.push_back(&global);
  };
  index->ordinals.reserve(ir.size() + ir.global_size() + ir.alias_size() + ir.ifunc_size());
  for (Function &function : ir)
    add(function);
  for (GlobalVariable &variable : ir.globals())
    add(variable);
  for (GlobalAlias &alias : ir.aliases())
    add(alias);
  for (GlobalIFunc &ifunc : ir.ifuncs())
    add(ifunc);
  // The reader of bitcode reads at once the few bodies whose blocks' addresses are in values.
  for (Function &function : ir)
    for (BasicBlock &block : function)
      if (BlockAddress *address = block.hasAddressTaken() ? BlockAddress::lookup(&block) : nullptr)
        noteHolders(*index, function, *address);
  return index;
}

void rewire_index_verified(RewireIndex *index, uint64_t *words) { index->verified = words; }

void rewire_index_free(RewireIndex *index) { delete index; }

size_t rewire_index_len(const RewireIndex *index) { return index->globals.size(); }

LLVMValueRef rewire_index_get(const RewireIndex *index, size_t ordinal) {
  return wrap(index->globals[ordinal]);
}

uint64_t rewire_variable_align(LLVMValueRef variable) {
  auto *unwrapped = unwrap<GlobalVariable>(variable);
  const DataLayout &layout = unwrapped->getDataLayout();
  // Of a definition, code may rely on what code generation gives it.
  if (unwrapped->hasInitializer())
    return layout.getPreferredAlign(unwrapped).value();
  return unwrapped->getAlign().value_or(layout.getABITypeAlign(unwrapped->getValueType())).value();
}

bool rewire_alias_target(const RewireIndex *index, LLVMValueRef alias, size_t *ordinal,
                         int64_t *offset) {
  const DataLayout &layout = index->module.getDataLayout();
  auto *global = unwrap<GlobalValue>(alias);
  const Constant *target = isa<GlobalIFunc>(global) ? cast<GlobalIFunc>(global)->getResolver()
                                                    : cast<GlobalAlias>(global)->getAliasee();
  APInt sum(layout.getIndexSizeInBits(0), 0);
  const Value *base = target->stripAndAccumulateConstantOffsets(layout, sum, true);
  // An alias of an alias is followed by the caller, one step at a time.
  auto *object = dyn_cast<GlobalValue>(base);
  if (!object)
    return true;
  auto found = index->ordinals.find(object);
  if (found == index->ordinals.end())
    return true;
  *ordinal = found->second;
  *offset = sum.getSExtValue();
  return false;
}

void rewire_structors(const RewireIndex *index, const char *list,
                      void (*entry)(void *, uint32_t, size_t, bool, size_t), void *data) {
  GlobalVariable *variable = index->module.getNamedGlobal(list);
  if (!variable || !variable->hasInitializer())
    return;
  auto *array = dyn_cast<ConstantArray>(variable->getInitializer());
  if (!array)
    return;
  for (const Use &element : array->operands()) {
    auto *fields = dyn_cast<ConstantStruct>(element);
    if (!fields || fields->getNumOperands() < 2)
      continue;
    // Code generation takes this for the end of the list.
    if (fields->getOperand(1)->isNullValue())
      break;
    auto *priority = dyn_cast<ConstantInt>(fields->getOperand(0));
    auto *function = dyn_cast<GlobalValue>(fields->getOperand(1)->stripPointerCasts());
    if (!priority || !function)
      continue;
    const GlobalValue *associated = nullptr;
    if (fields->getNumOperands() > 2)
      associated = dyn_cast<GlobalValue>(fields->getOperand(2)->stripPointerCasts());
    auto found = index->ordinals.find(function);
    if (found == index->ordinals.end())
      continue;
    auto other = index->ordinals.find(associated);
    bool has_other = associated && other != index->ordinals.end();
    entry(data, uint32_t(priority->getLimitedValue(UINT32_MAX)), found->second, has_other,
          has_other ? other->second : 0);
  }
}

void rewire_used(const RewireIndex *index, void (*entry)(void *, size_t), void *data) {
  for (bool compiler : {false, true}) {
    SmallVector<GlobalValue *, 16> used;
    collectUsedGlobalVariables(index->module, used, compiler);
    for (GlobalValue *global : used) {
      auto found = index->ordinals.find(global);
      if (found != index->ordinals.end())
        entry(data, found->second);
    }
  }
}

std::string rewire::mangledName(const GlobalValue &global) {
  // Of the conventions that change names, only this one does so on ELF: it adds the size of the
  // arguments.
  auto *function = dyn_cast<Function>(&global);
  if (!function || function->getCallingConv() != CallingConv::X86_VectorCall ||
      !function->hasName() || function->getName().starts_with("\1"))
    return std::string();
  std::string name;
  raw_string_ostream stream(name);
  Mangler().getNameWithPrefix(stream, function, false);
  return name;
}

bool rewire_is_inlined_away(LLVMValueRef global) {
  auto *function = dyn_cast<Function>(unwrap<GlobalValue>(global));
  return function && !function->isDeclaration() && function->isDiscardableIfUnused() &&
         function->hasFnAttribute(Attribute::AlwaysInline);
}

char *rewire_symbol_name(LLVMValueRef global) {
  std::string name = mangledName(*unwrap<GlobalValue>(global));
  return name.empty() ? nullptr : newMessage(name);
}

const char *rewire_comdat(LLVMValueRef global, size_t *length) {
  const Comdat *comdat = unwrap<GlobalValue>(global)->getComdat();
  if (!comdat) {
    *length = 0;
    return "";
  }
  StringRef name = comdat->getName();
  *length = name.size();
  return name.data();
}
