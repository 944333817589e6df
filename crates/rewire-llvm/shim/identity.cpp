// What the code of an extracted module is made from, as bytes: two modules with the same bytes
// compile to the same object, but for the numbers of locals in the names of its symbols.
//
// Everything that LLVM's passes and code generation look at is written; names of locals, arguments,
// blocks and instructions, and the order in which a module lists its globals, aren't. What an
// instruction says besides its operands is what `Instruction::hasSameSpecialState` compares. What
// isn't known here (debug information, say) has no identity: a module that has it is compiled
// without being looked for.
//
// The bytes come in sections: the bodies to be compiled, and one for each body or value that is
// only shown to the optimiser or comes along, so that it can be told which of them has changed.
// Within a section, types, constants, metadata and lists of attributes are numbered in the order in
// which they are first met, and written once, after what names them, so that nothing recurses.
// Globals are numbered through all sections.

#include "coroutines.h"
#include "inline_bodies.h"
#include "shim.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/DerivedTypes.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Metadata.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Operator.h"

using namespace llvm;
using namespace rewire;

namespace {

enum FixedKinds : unsigned {
#define LLVM_FIXED_MD_KIND(EnumID, Name, Value) Fixed##EnumID = Value,
#include "llvm/IR/FixedMetadataKinds.def"
#undef LLVM_FIXED_MD_KIND
  kFirstOtherKind
};

constexpr StringLiteral kAspects[] = {".rewire.slot", ".rewire.self", ".rewire.front",
                                      ".rewire.frames"};

// What the name of a global in an extracted module says.
struct GlobalName {
  // For people where it is a local's, else part of what the global is.
  StringRef base;
  StringRef aspect;
  bool is_local = false;
  uint32_t ordinal = 0;

  explicit GlobalName(StringRef name) : base(name) {
    for (StringRef known : kAspects)
      if (base.consume_back(known)) {
        aspect = known;
        break;
      }
    auto [before, digits] = base.rsplit(".rewire.");
    if (before.size() < base.size() && !digits.getAsInteger(10, ordinal)) {
      is_local = true;
      base = before;
    }
  }
};

class Writer {
public:
  void byte(uint8_t value) { bytes.push_back(value); }
  void number(uint64_t value) {
    // Most are small: seven bits a byte.
    for (; value >= 0x80; value >>= 7)
      bytes.push_back(uint8_t(value) | 0x80);
    bytes.push_back(uint8_t(value));
  }
  void text(StringRef value) {
    number(value.size());
    bytes.append(value.begin(), value.end());
  }
  void wide(const APInt &value) {
    number(value.getBitWidth());
    for (unsigned i = 0; i < value.getNumWords(); ++i)
      number(value.getRawData()[i]);
  }

  SmallVector<uint8_t, 4096> bytes;
};

// A wrong bit here would make an entry of the cache the answer for other IR, so each kind of thing
// begins with a letter of its own, and each list with its length.
class Identity {
public:
  using Part = void (*)(void *data, uint8_t kind, const char *name, size_t name_length,
                        const uint8_t *bytes, size_t length);

  Identity(const Module &module, Part part, void *data) : module(module), part(part), data(data) {}

  bool run() {
    writeModule();
    StringRef label;
    for (const Function &function : module)
      if (isRoot(function)) {
        if (label.empty())
          label = nameForPeople(GlobalName(function.getName()));
        writeBody(function);
      }
    if (!finish(kBody, label))
      return false;
    // Those that nothing names are what is compiled.
    for (const GlobalVariable &variable : module.globals())
      if (variable.hasInitializer())
        numberOf(variable);
    // The list grows as it is read.
    for (size_t i = 0; i < globals.size(); ++i) {
      const GlobalValue &global = *globals[i];
      if (isRoot(global) || global.isDeclaration())
        continue;
      const StringRef name = nameForPeople(GlobalName(global.getName()));
      if (auto *function = dyn_cast<Function>(&global)) {
        writeBody(*function);
        if (!finish(kImportedBody, name))
          return false;
      } else {
        writeVariable(i, cast<GlobalVariable>(global));
        if (!finish(kVariable, name))
          return false;
      }
    }
    return true;
  }

  ArrayRef<uint32_t> locals() const { return local_ordinals; }

private:
  // What a section is; `IdentityPart` on the other side of the border.
  enum Section : uint8_t { kBody, kImportedBody, kVariable };

  const Module &module;
  Part part;
  void *data;
  bool known = true;
  Writer writer;

  // Through all sections.
  SmallVector<const GlobalValue *, 16> globals;
  DenseMap<const GlobalValue *, unsigned> global_numbers;
  SmallVector<uint32_t, 16> local_ordinals;
  DenseMap<uint32_t, unsigned> local_numbers;

  // Of a section.
  DenseMap<const void *, unsigned> numbers;
  SmallVector<const Type *, 16> types;
  SmallVector<const Value *, 32> constants;
  SmallVector<const MDNode *, 8> nodes;
  SmallVector<AttributeList, 8> attributes;
  SmallVector<unsigned, 16> new_globals;
  size_t types_done = 0, constants_done = 0, nodes_done = 0, attributes_done = 0,
         globals_done = 0;
  // Of a body.
  DenseMap<const Value *, unsigned> values;

  bool unknown() {
    known = false;
    return false;
  }

  static bool isRoot(const GlobalValue &global) {
    return isa<Function>(global) && !global.isDeclaration() &&
           !global.hasAvailableExternallyLinkage();
  }

  // Clang numbers the locals of a module where names would clash, strings above all.
  static StringRef nameForPeople(const GlobalName &name) {
    StringRef base = name.base;
    base.consume_front("\1");
    if (!name.is_local)
      return base;
    StringRef plain = base.rtrim("0123456789");
    return plain.size() < base.size() && plain.consume_back(".") ? plain : base;
  }

  // Ends a section, and begins the next one.
  bool finish(Section kind, StringRef name) {
    if (!drain())
      return false;
    part(data, kind, name.data(), name.size(), writer.bytes.data(), writer.bytes.size());
    writer.bytes.clear();
    numbers.clear();
    types.clear();
    constants.clear();
    nodes.clear();
    attributes.clear();
    new_globals.clear();
    types_done = constants_done = nodes_done = attributes_done = globals_done = 0;
    return true;
  }

  // Writes what was numbered and isn't written yet.
  bool drain() {
    bool more = true;
    while (known && more) {
      more = false;
      for (; globals_done < new_globals.size(); more = true)
        writeGlobal(new_globals[globals_done++]);
      for (; constants_done < constants.size(); more = true)
        writeConstant(*constants[constants_done++]);
      for (; nodes_done < nodes.size(); more = true)
        writeNode(*nodes[nodes_done++]);
      for (; attributes_done < attributes.size(); more = true)
        writeAttributes(attributes[attributes_done++]);
      for (; types_done < types.size(); more = true)
        writeType(*types[types_done++]);
    }
    return known;
  }

  void writeModule() {
    writer.byte('M');
    writer.text(module.getTargetTriple().str());
    writer.text(module.getDataLayoutStr());
    if (!module.getModuleInlineAsm().empty() || !module.alias_empty() || !module.ifunc_empty())
      unknown();
    for (const NamedMDNode &named : module.named_metadata()) {
      // Cloning a body leaves an empty list of compile units.
      if (named.getName() == "llvm.dbg.cu" && named.getNumOperands() == 0)
        continue;
      if (&named != module.getModuleFlagsMetadata()) {
        unknown();
        return;
      }
      writer.number(named.getNumOperands());
      for (const MDNode *node : named.operands())
        writeMetadata(node);
    }
  }

  unsigned numberOf(const GlobalValue &global) {
    auto [place, is_new] = global_numbers.try_emplace(&global, globals.size());
    if (is_new) {
      new_globals.push_back(place->second);
      globals.push_back(&global);
    }
    return place->second;
  }

  unsigned localOf(uint32_t ordinal) {
    auto [place, is_new] = local_numbers.try_emplace(ordinal, local_ordinals.size());
    if (is_new)
      local_ordinals.push_back(ordinal);
    return place->second;
  }

  template <typename T, typename List>
  unsigned numberIn(const void *key, T item, List &list) {
    auto [place, is_new] = numbers.try_emplace(key, list.size());
    if (is_new)
      list.push_back(item);
    return place->second;
  }

  void type(const Type *type) { writer.number(numberIn(type, type, types)); }

  void attributeList(AttributeList list) {
    if (list.isEmpty())
      return writer.number(0);
    writer.number(1 + numberIn(list.getRawPointer(), list, attributes));
  }

  // Who it is; what it is, is written where that is needed (writeGlobal).
  void writeGlobal(unsigned number) {
    const GlobalValue &global = *globals[number];
    const GlobalName name(global.getName());
    writer.byte('G');
    writer.number(number);
    writer.text(name.aspect);
    if (name.is_local) {
      writer.byte('l');
      writer.number(localOf(name.ordinal));
      writer.byte(global.getName().starts_with("\1"));
    } else {
      writer.byte('n');
      writer.text(name.base);
    }
    auto *function = dyn_cast<Function>(&global);
    // Decided by its name.
    const CoroutinePart coroutine = function ? coroutinePart(*function) : CoroutinePart::None;
    writer.byte(uint8_t(coroutine));
    if (coroutine != CoroutinePart::None)
      writer.text(name.base);
    type(global.getValueType());
    writer.number(global.getAddressSpace());
    if (global.isDeclaration())
      writeHeader(global);
  }

  void writeHeader(const GlobalValue &global) {
    writer.number(global.getLinkage());
    writer.number(global.getVisibility());
    writer.number(unsigned(global.getUnnamedAddr()));
    writer.byte(global.isDSOLocal());
    writer.number(global.getThreadLocalMode());
    writer.number(global.getDLLStorageClass());
    writer.text(global.getPartition());
    auto *object = dyn_cast<GlobalObject>(&global);
    if (!object || object->hasComdat()) {
      unknown();
      return;
    }
    writer.text(object->getSection());
    SmallVector<std::pair<unsigned, MDNode *>, 4> attached;
    object->getAllMetadata(attached);
    writeAttached(attached);
    if (auto *function = dyn_cast<Function>(&global)) {
      alignment(function->getAlign());
      writer.number(function->getCallingConv());
      attributeList(function->getAttributes());
      writer.text(function->hasGC() ? StringRef(function->getGC()) : StringRef());
      constantIf(function->hasPersonalityFn() ? function->getPersonalityFn() : nullptr);
      constantIf(function->hasPrefixData() ? function->getPrefixData() : nullptr);
      constantIf(function->hasPrologueData() ? function->getPrologueData() : nullptr);
      return;
    }
    auto *variable = cast<GlobalVariable>(&global);
    alignment(variable->getAlign());
    writer.byte(variable->isConstant());
    writer.byte(variable->isExternallyInitialized());
    const std::optional<CodeModel::Model> model = variable->getCodeModel();
    writer.number(model ? 1 + unsigned(*model) : 0);
    attributeSet(variable->getAttributes());
    if (variable->hasSanitizerMetadata()) {
      const GlobalValue::SanitizerMetadata said = variable->getSanitizerMetadata();
      writer.byte(1 | said.NoAddress << 1 | said.NoHWAddress << 2 | said.Memtag << 3 |
                  said.IsDynInit << 4);
    } else {
      writer.byte(0);
    }
  }

  void writeVariable(size_t number, const GlobalVariable &variable) {
    writer.byte('V');
    writer.number(number);
    writeHeader(variable);
    value(*variable.getInitializer());
  }

  void writeBody(const Function &function) {
    writer.byte('F');
    writer.number(numberOf(function));
    writeHeader(function);
    values.clear();
    for (const Argument &argument : function.args())
      values.try_emplace(&argument, values.size());
    writer.number(function.size());
    for (const BasicBlock &block : function) {
      values.try_emplace(&block, values.size());
      for (const Instruction &instruction : block)
        values.try_emplace(&instruction, values.size());
    }
    for (const BasicBlock &block : function) {
      writer.byte('B');
      writer.number(block.size());
      for (const Instruction &instruction : block)
        writeInstruction(instruction);
      if (!known)
        return;
    }
  }

  void alignment(MaybeAlign align) { writer.number(align ? 1 + Log2(*align) : 0); }

  void constantIf(const Constant *constant) {
    writer.byte(constant != nullptr);
    if (constant)
      value(*constant);
  }

  // An operand.
  void value(const Value &operand) {
    if (auto *global = dyn_cast<GlobalValue>(&operand)) {
      writer.byte('g');
      return writer.number(numberOf(*global));
    }
    if (isa<Constant>(operand) || isa<InlineAsm>(operand)) {
      writer.byte('c');
      return writer.number(numberIn(&operand, &operand, constants));
    }
    if (auto *metadata = dyn_cast<MetadataAsValue>(&operand)) {
      writer.byte('m');
      return writeMetadata(metadata->getMetadata());
    }
    auto found = values.find(&operand);
    if (found == values.end()) {
      unknown();
      return;
    }
    writer.byte('v');
    writer.number(found->second);
  }

  void scope(SyncScope::ID id) {
    writer.text(module.getContext().getSyncScopeName(id).value_or("?"));
  }

  void writeInstruction(const Instruction &instruction) {
    writer.number(instruction.getOpcode());
    writer.number(instruction.getRawSubclassOptionalData());
    type(instruction.getType());
    writer.number(instruction.getNumOperands());
    for (const Use &operand : instruction.operands())
      value(*operand);
    special(instruction);
    if (instruction.getDebugLoc() || instruction.hasDbgRecords()) {
      unknown();
      return;
    }
    if (!instruction.hasMetadataOtherThanDebugLoc())
      return writer.number(0);
    SmallVector<std::pair<unsigned, MDNode *>, 4> attached;
    instruction.getAllMetadataOtherThanDebugLoc(attached);
    writeAttached(attached);
  }

  // What an instruction says besides its operands.
  void special(const Instruction &instruction) {
    if (auto *one = dyn_cast<AllocaInst>(&instruction)) {
      type(one->getAllocatedType());
      writer.number(Log2(one->getAlign()));
      writer.byte(one->isUsedWithInAlloca() | one->isSwiftError() << 1);
    } else if (auto *one = dyn_cast<LoadInst>(&instruction)) {
      writer.byte(one->isVolatile());
      writer.number(Log2(one->getAlign()));
      writer.number(unsigned(one->getOrdering()));
      scope(one->getSyncScopeID());
    } else if (auto *one = dyn_cast<StoreInst>(&instruction)) {
      writer.byte(one->isVolatile());
      writer.number(Log2(one->getAlign()));
      writer.number(unsigned(one->getOrdering()));
      scope(one->getSyncScopeID());
    } else if (auto *one = dyn_cast<CmpInst>(&instruction)) {
      writer.number(one->getPredicate());
    } else if (auto *one = dyn_cast<CallBase>(&instruction)) {
      writeCall(*one);
    } else if (auto *one = dyn_cast<GetElementPtrInst>(&instruction)) {
      type(one->getSourceElementType());
    } else if (auto *one = dyn_cast<InsertValueInst>(&instruction)) {
      indices(one->getIndices());
    } else if (auto *one = dyn_cast<ExtractValueInst>(&instruction)) {
      indices(one->getIndices());
    } else if (auto *one = dyn_cast<ShuffleVectorInst>(&instruction)) {
      writer.number(one->getShuffleMask().size());
      for (int element : one->getShuffleMask())
        writer.number(uint32_t(element));
    } else if (auto *one = dyn_cast<PHINode>(&instruction)) {
      for (const BasicBlock *block : one->blocks())
        value(*block);
    } else if (auto *one = dyn_cast<SwitchInst>(&instruction)) {
      for (const auto &way : one->cases()) {
        value(*way.getCaseValue());
        value(*way.getCaseSuccessor());
      }
    } else if (auto *one = dyn_cast<FenceInst>(&instruction)) {
      writer.number(unsigned(one->getOrdering()));
      scope(one->getSyncScopeID());
    } else if (auto *one = dyn_cast<AtomicCmpXchgInst>(&instruction)) {
      writer.byte(one->isVolatile() | one->isWeak() << 1);
      writer.number(unsigned(one->getSuccessOrdering()));
      writer.number(unsigned(one->getFailureOrdering()));
      writer.number(Log2(one->getAlign()));
      scope(one->getSyncScopeID());
    } else if (auto *one = dyn_cast<AtomicRMWInst>(&instruction)) {
      writer.number(one->getOperation());
      writer.byte(one->isVolatile());
      writer.number(unsigned(one->getOrdering()));
      writer.number(Log2(one->getAlign()));
      scope(one->getSyncScopeID());
    } else if (auto *one = dyn_cast<LandingPadInst>(&instruction)) {
      writer.byte(one->isCleanup());
      for (unsigned i = 0; i < one->getNumClauses(); ++i)
        writer.byte(one->isCatch(i));
    } else if (auto *one = dyn_cast<CatchSwitchInst>(&instruction)) {
      writer.byte(one->hasUnwindDest());
    } else if (auto *one = dyn_cast<CleanupReturnInst>(&instruction)) {
      writer.byte(one->hasUnwindDest());
    }
  }

  void indices(ArrayRef<unsigned> indices) {
    writer.number(indices.size());
    for (unsigned index : indices)
      writer.number(index);
  }

  void writeCall(const CallBase &call) {
    type(call.getFunctionType());
    writer.number(call.getCallingConv());
    attributeList(call.getAttributes());
    auto *plain = dyn_cast<CallInst>(&call);
    writer.number(plain ? plain->getTailCallKind() : 0);
    if (auto *branch = dyn_cast<CallBrInst>(&call))
      writer.number(branch->getNumIndirectDests());
    writer.number(call.getNumOperandBundles());
    for (unsigned i = 0; i < call.getNumOperandBundles(); ++i) {
      const OperandBundleUse bundle = call.getOperandBundleAt(i);
      writer.text(bundle.getTagName());
      writer.number(bundle.Inputs.size());
    }
  }

  void writeConstant(const Value &constant) {
    writer.byte('C');
    type(constant.getType());
    writer.number(constant.getValueID());
    if (auto *one = dyn_cast<ConstantInt>(&constant))
      return writer.wide(one->getValue());
    if (auto *one = dyn_cast<ConstantFP>(&constant))
      return writer.wide(one->getValueAPF().bitcastToAPInt());
    if (auto *one = dyn_cast<ConstantDataSequential>(&constant))
      return writer.text(one->getRawDataValues());
    if (isa<ConstantData>(constant))
      return;
    if (auto *one = dyn_cast<InlineAsm>(&constant)) {
      type(one->getFunctionType());
      writer.text(one->getAsmString());
      writer.text(one->getConstraintString());
      writer.byte(one->hasSideEffects() | one->isAlignStack() << 1 | one->canThrow() << 2);
      return writer.number(one->getDialect());
    }
    if (auto *one = dyn_cast<BlockAddress>(&constant)) {
      value(*one->getFunction());
      unsigned place = 0;
      for (const BasicBlock &block : *one->getFunction()) {
        if (&block == one->getBasicBlock())
          break;
        ++place;
      }
      return writer.number(place);
    }
    if (isa<ConstantAggregate>(constant) || isa<DSOLocalEquivalent>(constant) ||
        isa<NoCFIValue>(constant) || isa<ConstantExpr>(constant)) {
      auto *user = cast<User>(&constant);
      if (auto *expression = dyn_cast<ConstantExpr>(user)) {
        writer.number(expression->getOpcode());
        writer.number(expression->getRawSubclassOptionalData());
        if (auto *place = dyn_cast<GEPOperator>(expression)) {
          type(place->getSourceElementType());
          const std::optional<ConstantRange> range = place->getInRange();
          writer.byte(range.has_value());
          if (range) {
            writer.wide(range->getLower());
            writer.wide(range->getUpper());
          }
        }
      }
      writer.number(user->getNumOperands());
      for (const Use &operand : user->operands())
        value(*operand);
      return;
    }
    unknown();
  }

  void writeAttached(ArrayRef<std::pair<unsigned, MDNode *>> attached) {
    writer.number(attached.size());
    for (auto [kind, node] : attached) {
      writer.number(kind);
      // Others are numbered as a context happens to meet them.
      if (kind >= kFirstOtherKind) {
        SmallVector<StringRef, 64> names;
        module.getContext().getMDKindNames(names);
        writer.text(names[kind]);
      }
      writeMetadata(node);
    }
  }

  void writeMetadata(const Metadata *metadata) {
    if (!metadata)
      return writer.byte('0');
    if (auto *text = dyn_cast<MDString>(metadata)) {
      writer.byte('s');
      return writer.text(text->getString());
    }
    if (auto *held = dyn_cast<ValueAsMetadata>(metadata)) {
      writer.byte('v');
      return value(*held->getValue());
    }
    if (auto *node = dyn_cast<MDTuple>(metadata)) {
      writer.byte('n');
      return writer.number(numberIn(node, static_cast<const MDNode *>(node), nodes));
    }
    unknown();
  }

  void writeNode(const MDNode &node) {
    writer.byte('N');
    writer.byte(node.isDistinct());
    writer.number(node.getNumOperands());
    for (const MDOperand &operand : node.operands())
      writeMetadata(operand.get());
  }

  void writeAttributes(AttributeList list) {
    writer.byte('A');
    writer.number(list.getNumAttrSets());
    for (unsigned index : list.indexes())
      attributeSet(list.getAttributes(index));
  }

  void writeOrdinals(StringRef list) {
    SmallVector<StringRef, 4> numbers;
    list.split(numbers, ',');
    writer.byte('o');
    writer.number(numbers.size());
    for (StringRef number : numbers) {
      uint32_t ordinal = 0;
      if (number.getAsInteger(10, ordinal)) {
        unknown();
        return;
      }
      writer.number(localOf(ordinal));
    }
  }

  void attributeSet(AttributeSet set) {
    writer.number(set.getNumAttributes());
    for (const Attribute &attribute : set) {
      if (attribute.isStringAttribute() && attribute.getKindAsString() == kBodyMark) {
        writeOrdinals(attribute.getValueAsString());
        continue;
      }
      if (attribute.isStringAttribute()) {
        writer.byte('s');
        writer.text(attribute.getKindAsString());
        writer.text(attribute.getValueAsString());
        continue;
      }
      writer.byte('e');
      writer.number(attribute.getKindAsEnum());
      if (attribute.isIntAttribute()) {
        writer.number(attribute.getValueAsInt());
      } else if (attribute.isTypeAttribute()) {
        writer.byte(attribute.getValueAsType() != nullptr);
        if (attribute.getValueAsType())
          type(attribute.getValueAsType());
      } else if (!attribute.isEnumAttribute()) {
        writer.text(attribute.getAsString());
      }
    }
  }

  void writeType(const Type &one) {
    writer.byte('T');
    writer.number(one.getTypeID());
    if (auto *integer = dyn_cast<IntegerType>(&one))
      return writer.number(integer->getBitWidth());
    if (auto *pointer = dyn_cast<PointerType>(&one))
      return writer.number(pointer->getAddressSpace());
    if (auto *array = dyn_cast<ArrayType>(&one)) {
      writer.number(array->getNumElements());
      return type(array->getElementType());
    }
    if (auto *vector = dyn_cast<VectorType>(&one)) {
      writer.number(vector->getElementCount().getKnownMinValue());
      return type(vector->getElementType());
    }
    if (auto *function = dyn_cast<FunctionType>(&one)) {
      writer.byte(function->isVarArg());
      type(function->getReturnType());
      writer.number(function->getNumParams());
      for (const Type *parameter : function->params())
        type(parameter);
      return;
    }
    if (auto *structure = dyn_cast<StructType>(&one)) {
      writer.byte(structure->isPacked() | structure->isOpaque() << 1);
      writer.number(structure->getNumElements());
      for (const Type *element : structure->elements())
        type(element);
      return;
    }
    if (auto *other = dyn_cast<TargetExtType>(&one)) {
      writer.text(other->getName());
      writer.number(other->getNumTypeParameters());
      for (const Type *parameter : other->type_params())
        type(parameter);
      writer.number(other->getNumIntParameters());
      for (unsigned parameter : other->int_params())
        writer.number(parameter);
    }
  }
};

} // namespace

bool rewire_identity(LLVMModuleRef module,
                     void (*part)(void *data, uint8_t kind, const char *name, size_t name_length,
                                  const uint8_t *bytes, size_t length),
                     void (*local)(void *data, uint32_t ordinal), void *data) {
  Identity identity(*unwrap(module), part, data);
  if (!identity.run())
    return false;
  for (uint32_t ordinal : identity.locals())
    local(data, ordinal);
  return true;
}
