// One definition of a module as bitcode, for an extraction from another module, whose context is
// another one.
//
// What the definition names is declared there by its number. Structures lose their names: two
// contexts don't share them, and each time that the bitcode is read would add them to the reader's.

#include "abi_attributes.h"
#include "coroutines.h"
#include "index.h"
#include "inline_bodies.h"
#include "read.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/DerivedTypes.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include "llvm/Transforms/Utils/ValueMapper.h"

using namespace llvm;
using namespace rewire;

namespace {

// Larger values are hardly folded, and would be written for each body that names them.
constexpr uint64_t kMostValueBytes = 4096;

class NamelessTypes final : public ValueMapTypeRemapper {
public:
  Type *remapType(Type *type) override {
    if (Type *known = types.lookup(type))
      return known;
    Type *made = make(type);
    types[type] = made;
    return made;
  }

  AttributeList remapAttributes(LLVMContext &context, AttributeList list) {
    for (unsigned index : list.indexes())
      for (unsigned kind = Attribute::FirstTypeAttr; kind <= Attribute::LastTypeAttr; ++kind)
        if (Attribute one = list.getAttributeAtIndex(index, Attribute::AttrKind(kind));
            one.isValid() && one.getValueAsType())
          list = list.replaceAttributeTypeAtIndex(context, index, Attribute::AttrKind(kind),
                                                  remapType(one.getValueAsType()));
    return list;
  }

private:
  DenseMap<Type *, Type *> types;

  Type *make(Type *type) {
    if (auto *array = dyn_cast<ArrayType>(type))
      return ArrayType::get(remapType(array->getElementType()), array->getNumElements());
    if (auto *function = dyn_cast<FunctionType>(type)) {
      SmallVector<Type *, 8> parameters;
      for (Type *parameter : function->params())
        parameters.push_back(remapType(parameter));
      return FunctionType::get(remapType(function->getReturnType()), parameters,
                               function->isVarArg());
    }
    auto *structure = dyn_cast<StructType>(type);
    if (!structure || structure->isOpaque())
      return type;
    SmallVector<Type *, 8> elements;
    for (Type *element : structure->elements())
      elements.push_back(remapType(element));
    return StructType::get(type->getContext(), elements, structure->isPacked());
  }
};

class Exporter final : public ValueMaterializer {
public:
  Exporter(RewireIndex &index, const uint8_t *states)
      : index(index), states(states), source(index.module), target("", source.getContext()) {
    target.setDataLayout(source.getDataLayout());
    target.setTargetTriple(source.getTargetTriple());
  }

  // Whether callers may hold a copy of the function.
  bool exportFunction(Function &function, size_t most) {
    std::string message;
    if (!readBody(index, function, message) || !mayBeCopied(function) || sizeOf(function) > most)
      return false;
    auto *body = cast<Function>(make(function));
    made[&function] = body;
    auto argument = body->arg_begin();
    for (const Argument &original : function.args())
      values[&original] = &*argument++;
    SmallVector<ReturnInst *, 8> returns;
    CloneFunctionInto(body, &function, values, CloneFunctionChangeType::DifferentModule, returns,
                      "", nullptr, &types, this);
    body->setAttributes(types.remapAttributes(body->getContext(), body->getAttributes()));
    for (Instruction &instruction : instructions(*body)) {
      instruction.setMetadata(LLVMContext::MD_callees, nullptr);
      if (auto *call = dyn_cast<CallBase>(&instruction))
        call->setAttributes(types.remapAttributes(body->getContext(), call->getAttributes()));
    }
    return finish();
  }

  // Whether the value may be folded.
  bool exportVariable(GlobalVariable &variable) {
    auto *copy = cast<GlobalVariable>(make(variable));
    made[&variable] = copy;
    return !pending.empty() && finish();
  }

  Value *materialize(Value *value) override {
    auto *global = dyn_cast<GlobalValue>(value);
    if (!global || global->getParent() != &source)
      return nullptr;
    if (Value *known = made.lookup(global))
      return known;
    Value *fresh = make(*global);
    made[global] = fresh;
    return fresh;
  }

  void write(SmallVectorImpl<char> &bytes) {
    copyDemandingFlags();
    if (NamedMDNode *units = target.getNamedMetadata("llvm.dbg.cu"))
      units->eraseFromParent();
    BitcodeWriter writer(bytes);
    writer.writeModule(target);
    writer.writeStrtab();
  }

  ArrayRef<uint32_t> references() const { return named; }

private:
  RewireIndex &index;
  const uint8_t *states;
  Module &source;
  Module target;
  NamelessTypes types;
  ValueToValueMapTy values{0};
  DenseMap<const GlobalValue *, Value *> made;
  SmallVector<std::pair<GlobalVariable *, GlobalVariable *>, 8> pending;
  SmallVector<uint32_t, 16> named;
  // It names what nobody but its own module can.
  bool is_tied = false;

  Value *make(GlobalValue &global) {
    if (auto *function = dyn_cast<Function>(&global)) {
      if (function->isIntrinsic()) {
        auto *type = cast<FunctionType>(types.remapType(function->getFunctionType()));
        Function *same = Function::Create(type, GlobalValue::ExternalLinkage,
                                          function->getAddressSpace(), function->getName(), &target);
        same->setAttributes(types.remapAttributes(same->getContext(), function->getAttributes()));
        return same;
      }
      is_tied |= coroutinePart(*function) != CoroutinePart::None;
    }
    auto found = index.ordinals.find(&global);
    // A body that was moved out of this copy of the module can't tell its linkage.
    is_tied |= found == index.ordinals.end() || global.hasExternalWeakLinkage() ||
               isa<GlobalIFunc>(global);
    const size_t ordinal = found == index.ordinals.end() ? 0 : found->second;
    named.push_back(uint32_t(ordinal));
    Type *type = types.remapType(global.getValueType());
    if (auto *signature = dyn_cast<FunctionType>(type)) {
      Function *copy = Function::Create(signature, GlobalValue::ExternalLinkage,
                                        global.getAddressSpace(), utostr(ordinal), &target);
      if (auto *function = dyn_cast<Function>(&global)) {
        copy->setCallingConv(function->getCallingConv());
        const AttributeList kept =
            keepAbi(target.getContext(), function->getAttributes(), function->arg_size());
        copy->setAttributes(types.remapAttributes(target.getContext(), kept));
      }
      return copy;
    }
    auto *variable = dyn_cast<GlobalVariable>(&global);
    auto *copy = new GlobalVariable(target, type, variable && variable->isConstant(),
                                    GlobalValue::ExternalLinkage, nullptr, utostr(ordinal), nullptr,
                                    global.isThreadLocal() ? GlobalValue::GeneralDynamicTLSModel
                                                           : GlobalValue::NotThreadLocal,
                                    global.getAddressSpace());
    if (!variable)
      return copy;
    is_tied |= isNoopFrame(*variable);
    copy->setAlignment(variable->getAlign());
    copy->setUnnamedAddr(variable->getUnnamedAddr());
    if (isShown(*variable, ordinal))
      pending.push_back({variable, copy});
    return copy;
  }

  bool isShown(const GlobalVariable &variable, size_t ordinal) const {
    const uint8_t state = __atomic_load_n(&states[ordinal], __ATOMIC_RELAXED);
    return (state & REWIRE_ELECTED) && variable.isConstant() && !variable.isThreadLocal() &&
           variable.hasDefinitiveInitializer() && !index.jump_tables.count(&variable) &&
           source.getDataLayout().getTypeAllocSize(variable.getValueType()) <= kMostValueBytes;
  }

  bool finish() {
    while (!pending.empty() && !is_tied) {
      auto [from, to] = pending.pop_back_val();
      to->setInitializer(MapValue(from->getInitializer(), values, RF_None, &types, this));
      to->setLinkage(GlobalValue::AvailableExternallyLinkage);
    }
    return !is_tied;
  }

  // Modules that disagree about these can't be linked into one.
  void copyDemandingFlags() {
    NamedMDNode *flags = source.getModuleFlagsMetadata();
    if (!flags)
      return;
    for (MDNode *flag : flags->operands()) {
      Module::ModFlagBehavior behaviour;
      if (flag->getNumOperands() == 3 &&
          Module::isValidModFlagBehavior(flag->getOperand(0), behaviour) &&
          behaviour == Module::Error && isa<ConstantAsMetadata>(flag->getOperand(2)))
        target.getOrInsertModuleFlagsMetadata()->addOperand(flag);
    }
  }
};

} // namespace

bool rewire_export(RewireIndex *index, size_t ordinal, const uint8_t *states, size_t most,
                   void (*done)(void *data, const char *bitcode, size_t length,
                                const uint32_t *references, size_t count),
                   void *data) {
  Exporter exporter(*index, states);
  auto *function = dyn_cast<Function>(index->globals[ordinal]);
  auto *variable = dyn_cast<GlobalVariable>(index->globals[ordinal]);
  const bool is_exported = function   ? exporter.exportFunction(*function, most)
                           : variable ? exporter.exportVariable(*variable)
                                      : false;
  if (!is_exported)
    return false;
  SmallVector<char, 8192> bytes;
  exporter.write(bytes);
  const ArrayRef<uint32_t> named = exporter.references();
  done(data, bytes.data(), bytes.size(), named.data(), named.size());
  return true;
}
