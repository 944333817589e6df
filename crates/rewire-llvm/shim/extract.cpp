// Taking one function out of its module.
//
// Its body is moved, which costs a third of cloning it: a function is compiled once, mostly, and
// for another time there is another copy of the module. Bodies that others need as well (to be
// inlined, or because they hold addresses of its blocks) are cloned.
//
// What is extracted for a function depends on that function and what it names: globals are
// declared in the new module when the clone first names them. Variables without memory come along
// with their values, and what those name; the linker keeps the first copy of each.

#include "coroutines.h"
#include "front.h"
#include "imports.h"
#include "index.h"
#include "inline_bodies.h"
#include "instrument.h"
#include "abi_attributes.h"
#include "read.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include "llvm/Transforms/Utils/ValueMapper.h"

using namespace llvm;
using namespace rewire;

namespace {

class Extractor final : public ValueMaterializer {
public:
  Extractor(RewireIndex &index, const uint8_t *states, bool fold, bool whole, bool text = false,
            RewireInlineBudget budget = {}, const RewireImporter *importer = nullptr)
      : index(index), states(states), fold(fold), whole(whole), text(text), budget(budget),
        source(index.module), imports(importer, source),
        target(std::make_unique<Module>("", source.getContext())) {
    target->setDataLayout(source.getDataLayout());
    target->setTargetTriple(source.getTargetTriple());
    copyFlags();
  }

  bool run(ArrayRef<size_t> roots, std::string &error) {
    this->error = &error;
    for (size_t root : roots) {
      const size_t ordinal = root & ~REWIRE_OWN_COPY;
      if (root != ordinal)
        own_copies.insert(index.globals[ordinal]);
      if (auto *function = dyn_cast<Function>(index.globals[ordinal]))
        functions.insert(function);
      else if (auto *variable = dyn_cast<GlobalVariable>(index.globals[ordinal]))
        for (Function *function : index.jump_tables.lookup(variable))
          functions.insert(function);
    }
    // Functions whose blocks' addresses leave them belong together; the list grows as it is read.
    for (size_t i = 0; i < functions.size(); ++i)
      if (!read(*functions[i]) || !findPartners(*functions[i]))
        return false;
    for (Function *function : functions)
      declareBody(*function);
    for (size_t root : roots)
      if (auto *variable = dyn_cast<GlobalVariable>(index.globals[root & ~REWIRE_OWN_COPY])) {
        if (root & REWIRE_OWN_COPY)
          bringOwn(*variable);
        else
          bring(*variable, /*as_root=*/true);
      }
    // Where one function's code holds addresses of another's blocks, the other is cloned first,
    // so that the blocks can be named.
    for (Function *function : functions)
      if (!clone(*function))
        return false;
    for (GlobalVariable *variable : tables)
      MapValue(variable, values, RF_None, nullptr, this);
    return finish() && (budget.depth == 0 || bringInlinable());
  }

  // What stands at a function's canonical address if its own data has to: that data, and a jump
  // through the slot. The data of which the function itself is a part means this one.
  bool runFront(Function &function, bool own, std::string &error) {
    this->error = &error;
    if (index.reads_for_fronts && !readUnverified(index, function, error))
      return false;
    if (own)
      own_copies.insert(&function);
    Function *front =
        Function::Create(function.getFunctionType(), GlobalValue::ExternalLinkage,
                         function.getAddressSpace(), definedName(function) + ".rewire.front",
                         target.get());
    if (!own)
      made[&function] = front;
    front->setAlignment(function.getAlign());
    front->addFnAttr(Attribute::Naked);
    front->addFnAttr(Attribute::NoInline);
    front->setUWTableKind(UWTableKind::Default);
    const auto map = [&](Constant *constant) {
      return cast<Constant>(MapValue(constant, values, RF_None, nullptr, this));
    };
    if (Constant *data = frontData(function))
      front->setPrefixData(map(data));
    if (function.hasPrologueData())
      front->setPrologueData(map(function.getPrologueData()));
    LLVMContext &context = source.getContext();
    auto *slot = new GlobalVariable(*target, PointerType::get(context, 0), false,
                                    GlobalValue::ExternalLinkage, nullptr,
                                    definedName(function) + ".rewire.slot");
    slot->setVisibility(GlobalValue::HiddenVisibility);
    slot->setDSOLocal(true);
    auto *block = BasicBlock::Create(context, "", front);
    auto *type = FunctionType::get(Type::getVoidTy(context), {slot->getType()}, false);
    auto *jump = InlineAsm::get(type, "jmpq *${0:c}(%rip)", "i", /*hasSideEffects=*/true);
    CallInst::Create(type, jump, {slot}, "", block);
    new UnreachableInst(context, block);
    return finish();
  }

  std::unique_ptr<Module> take() { return std::move(target); }

  Value *materialize(Value *value) override {
    auto *global = dyn_cast<GlobalValue>(value);
    if (!global)
      return nullptr;
    if (global->getParent() == target.get())
      return nullptr;
    if (global->getParent() != &source)
      return referElsewhere(*global);
    if (Value *known = made.lookup(global))
      return known;
    Value *fresh = make(*global);
    made[global] = fresh;
    return fresh;
  }

private:
  Value *make(GlobalValue &value) {
    Value *fresh = makeAs(value);
    // Who is given the text back knows by this which names are its unit's own.
    if (text && state(value) & REWIRE_OWN)
      if (auto *global = dyn_cast<GlobalValue>(fresh); global && !global->hasLocalLinkage())
        global->setVisibility(GlobalValue::HiddenVisibility);
    return fresh;
  }

  Value *makeAs(GlobalValue &value) {
    GlobalValue *global = &value;
    if (auto *function = dyn_cast<Function>(global))
      return declare(*function);
    if (auto *variable = dyn_cast<GlobalVariable>(global))
      return bring(*variable);
    return follow(*global);
  }

  RewireIndex &index;
  const uint8_t *states;
  bool fold;
  // The bodies belong together for ever, so that each mention of one may be the body itself.
  bool whole;
  // It is for people, who may change it and give it back: what is extracted says all that its
  // definition says.
  bool text;
  // How much is brought to be inlined, besides what must be.
  RewireInlineBudget budget;
  Module &source;
  // What other modules define.
  Imports imports;
  std::unique_ptr<Module> target;
  // It has room for 64 values unless it is told otherwise, and mostly holds none.
  ValueToValueMapTy values{0};
  // What stands for each global. Most are found here: the other map follows its values around,
  // which costs.
  DenseMap<const GlobalValue *, Value *> made;
  std::string *error = nullptr;
  // The definitions to clone.
  SetVector<Function *, SmallVector<Function *, 4>> functions;
  DenseMap<Function *, Function *> bodies;
  SmallPtrSet<Function *, 4> cloned;
  // Roots that have lost their names: mentions of these names are others'.
  SmallPtrSet<const GlobalValue *, 4> own_copies;
  // Variables that hold addresses of the functions' blocks.
  SetVector<GlobalVariable *, SmallVector<GlobalVariable *, 4>> tables;
  // Variables whose values are still to be mapped: old and new.
  SmallVector<std::pair<GlobalVariable *, GlobalVariable *>, 16> pending;
  // Functions that callers must inline: old and new.
  SmallVector<std::pair<Function *, Function *>, 4> inlined;
  // What declarations stand for that may be given a body, and aliases by which bodies are named.
  // Both are kept only where bodies are brought.
  DenseMap<Function *, Function *> declared;
  // The numbers of declarations for which another module may have a body, what stands for the
  // globals that only other modules have, by number, and the numbers of bodies that were found.
  DenseMap<const Function *, uint32_t> declared_elsewhere;
  DenseMap<uint32_t, GlobalValue *> foreign;
  DenseMap<const Function *, uint32_t> found_elsewhere;
  DenseMap<const GlobalValue *, SmallVector<size_t, 1>> aliases;
  // The roots are there, and what is brought now is brought for bodies to be inlined.
  bool is_late = false;
  bool failed = false;

  uint8_t state(const GlobalValue &global) const {
    auto found = index.ordinals.find(&global);
    return found == index.ordinals.end()
               ? 0
               : __atomic_load_n(&states[found->second], __ATOMIC_RELAXED);
  }

  bool fail(const Twine &message) {
    if (!failed)
      *error = message.str();
    failed = true;
    return false;
  }

  bool read(Function &function) {
    std::string message;
    return readBody(index, function, message) || fail(message);
  }

  // Everything but "PIE Level", which would allow models of thread-local storage that only fit
  // the main program.
  void copyFlags() {
    if (!index.has_flags) {
      index.has_flags = true;
      if (NamedMDNode *flags = source.getModuleFlagsMetadata())
        for (MDNode *flag : flags->operands()) {
          auto *name = flag->getNumOperands() > 1 ? dyn_cast<MDString>(flag->getOperand(1))
                                                  : nullptr;
          if (name && name->getString() != "PIE Level")
            index.flags.push_back(flag);
        }
    }
    if (index.flags.empty())
      return;
    NamedMDNode *flags = target->getOrInsertModuleFlagsMetadata();
    for (MDNode *flag : index.flags)
      flags->addOperand(flag);
  }

  std::string nameOf(const GlobalValue &global) const {
    // The mark says that the name is as it has to be.
    std::string mangled = mangledName(global);
    if (!mangled.empty())
      mangled.insert(0, 1, '\1');
    StringRef name = mangled.empty() ? global.getName() : StringRef(mangled);
    // A name of the program's own that looks like one of ours is told by its number as well.
    const bool local = global.hasLocalLinkage() || index.taken_locals.contains(&global);
    if (!local && global.hasName() && !name.contains(".rewire."))
      return name.str();
    const bool plain = !mangled.empty();
    name.consume_front("\1");
    return ((plain ? "\1" : "") + name + ".rewire." + Twine(index.ordinals.lookup(&global))).str();
  }

  // The name of what is defined here.
  std::string definedName(const GlobalValue &global) const {
    if (!own_copies.contains(&global))
      return nameOf(global);
    StringRef name = global.getName();
    name.consume_front("\1");
    return (name + ".rewire." + Twine(index.ordinals.lookup(&global) | REWIRE_OWN_COPY)).str();
  }

  // Follows the addresses of a function's blocks to the variables and functions that hold them,
  // and the addresses of others' blocks that it holds to those others.
  bool findPartners(Function &function) {
    for (const Instruction &instruction : instructions(function))
      for (const Use &operand : instruction.operands())
        if (auto *address = dyn_cast<BlockAddress>(operand))
          if (address->getFunction() != &function)
            functions.insert(address->getFunction());
    SmallVector<const Constant *, 8> work;
    SmallPtrSet<const Constant *, 8> seen;
    for (BasicBlock &block : function)
      if (block.hasAddressTaken())
        if (BlockAddress *address = BlockAddress::lookup(&block))
          work.push_back(address);
    while (!work.empty()) {
      const Constant *constant = work.pop_back_val();
      if (!seen.insert(constant).second)
        continue;
      for (const User *user : constant->users()) {
        if (auto *instruction = dyn_cast<Instruction>(user)) {
          auto *holder = const_cast<Function *>(instruction->getFunction());
          if (holder && holder->getParent() == &source && holder != &function)
            functions.insert(holder);
        } else if (auto *variable = dyn_cast<GlobalVariable>(user)) {
          tables.insert(const_cast<GlobalVariable *>(variable));
        } else if (auto *outer = dyn_cast<Constant>(user)) {
          work.push_back(outer);
        }
      }
    }
    return true;
  }

  // The function that will hold the body. The body's own mentions of the function go elsewhere
  // (declare), so that the optimiser learns nothing from the body about its calls of itself.
  void declareBody(Function &function) {
    Function *body = Function::Create(function.getFunctionType(), GlobalValue::ExternalLinkage,
                                      function.getAddressSpace(), definedName(function),
                                      target.get());
    bodies[&function] = body;
  }

  bool clone(Function &function) {
    if (!cloned.insert(&function).second)
      return true;
    if (functions.size() > 1)
      for (const Instruction &instruction : instructions(function))
        for (const Use &operand : instruction.operands())
          if (auto *address = dyn_cast<BlockAddress>(operand))
            if (functions.contains(address->getFunction()) && !clone(*address->getFunction()))
              return false;
    Function *body = bodies[&function];
    if (canMove(function))
      move(*body, function);
    else
      cloneInto(*body, function);
    body->setLinkage(GlobalValue::ExternalLinkage);
    body->setVisibility(text ? function.getVisibility() : GlobalValue::DefaultVisibility);
    body->setDSOLocal(false);
    body->setComdat(nullptr);
    if (!text)
      body->setSection("");
    // What reads it does so by the function's address, which is not the body's.
    if (!text)
      dropFront(*body);
    else if (body->hasPrefixData())
      body->setPrefixData(cast<Constant>(
          MapValue(function.getPrefixData(), values, RF_None, nullptr, this)));
    if (body->hasPrologueData()) {
      ValueToValueMapTy own;
      own[&function] = body;
      body->setPrologueData(cast<Constant>(
          MapValue(function.getPrologueData(), own, RF_None, nullptr, this)));
    }
    return true;
  }

  bool canMove(const Function &function) const {
    if (functions.size() > 1 && !tables.empty())
      return false;
    // What others inline has to stay in this copy of the module.
    if (budget.depth > 0)
      return false;
    if (function.hasFnAttribute(Attribute::AlwaysInline))
      return false;
    for (const BasicBlock &block : function)
      if (block.hasAddressTaken())
        return false;
    return !holdsBlocks(function);
  }

  static bool holdsBlocks(const Function &function) {
    for (const Instruction &instruction : instructions(function))
      for (const Use &operand : instruction.operands())
        if (isa<BlockAddress>(operand))
          return true;
    return false;
  }

  // Moves the blocks and arguments, and maps what they name that belongs to the module.
  void move(Function &to, Function &from) {
    index.taken.insert(&from);
    to.copyAttributesFrom(&from);
    to.copyMetadata(&from, 0);
    to.stealArgumentListFrom(from);
    to.splice(to.begin(), &from);
    if (from.hasLocalLinkage()) {
      index.taken_locals.insert(&from);
      from.setLinkage(GlobalValue::ExternalLinkage);
    }
    from.setComdat(nullptr);
    const auto map = [&](Constant *constant) {
      return cast<Constant>(MapValue(constant, values, RF_None, nullptr, this));
    };
    if (to.hasPersonalityFn())
      to.setPersonalityFn(map(to.getPersonalityFn()));
    for (Instruction &instruction : instructions(to)) {
      for (Use &operand : instruction.operands()) {
        Value *value = operand.get();
        if (isa<GlobalValue>(value))
          operand.set(materialize(value));
        else if (isa<Constant>(value) ? !isa<ConstantData>(value) : isa<MetadataAsValue>(value))
          operand.set(MapValue(value, values, RF_NoModuleLevelChanges, nullptr, this));
      }
      // It names functions that the call may lead to, and is no more than a hint.
      if (instruction.hasMetadataOtherThanDebugLoc())
        instruction.setMetadata(LLVMContext::MD_callees, nullptr);
    }
    if (!to.hasUWTable())
      to.setUWTableKind(UWTableKind::Default);
  }

  // The body of `from`, with every frame describable and nothing that ties it to its module.
  void cloneInto(Function &to, const Function &from) {
    auto argument = to.arg_begin();
    for (const Argument &original : from.args()) {
      argument->setName(original.getName());
      values[&original] = &*argument++;
    }
    SmallVector<ReturnInst *, 8> returns;
    CloneFunctionInto(&to, &from, values, CloneFunctionChangeType::DifferentModule, returns, "",
                      nullptr, nullptr, this);
    to.setCallingConv(from.getCallingConv());
    if (!to.hasUWTable())
      to.setUWTableKind(UWTableKind::Default);
  }

  Value *declare(Function &function) {
    if (function.isIntrinsic())
      return intrinsic(function);
    // What a function with a front has at its address is not its body.
    const bool has_body = bodies.count(&function) && !own_copies.contains(&function);
    if (whole && has_body && !needsFront(function))
      if (Function *body = bodies.lookup(&function))
        return body;
    std::string name = nameOf(function);
    // A group's functions mention each other and themselves by these names; the suffix keeps the
    // mention apart from the body.
    if (has_body)
      name += ".rewire.self";
    bool weak = function.hasExternalWeakLinkage();
    Function *declaration = Function::Create(
        function.getFunctionType(),
        weak ? GlobalValue::ExternalWeakLinkage : GlobalValue::ExternalLinkage,
        function.getAddressSpace(), name, target.get());
    declaration->setCallingConv(function.getCallingConv());
    declaration->setAttributes(
        keepAbi(source.getContext(), function.getAttributes(), function.arg_size()));
    if (!weak && (state(function) & REWIRE_ELECTED))
      declaration->setDSOLocal(true);
    // An available_externally body is never elected, and there to be inlined. A function that is
    // itself among the roots is inlined by way of the name that others know it by.
    bool usable = (state(function) & REWIRE_ELECTED) || function.hasAvailableExternallyLinkage();
    if (function.hasFnAttribute(Attribute::AlwaysInline) && !function.isDeclaration() &&
        usable && !(text && bodies.count(&function)))
      inlined.push_back({&function, declaration});
    else if (budget.depth > 0 && usable && !function.isDeclaration() &&
             !(state(function) & REWIRE_APART)) {
      declared[declaration] = &function;
      // What the module shows of another file's function counts unless the engine has that.
      const uint32_t ordinal = uint32_t(index.ordinals.lookup(&function));
      if (function.hasAvailableExternallyLinkage() && imports.isElsewhere(ordinal))
        declared_elsewhere[declaration] = ordinal;
    } else if (imports.areWanted() && !weak && !usable)
      declared_elsewhere[declaration] = uint32_t(index.ordinals.lookup(&function));
    return declaration;
  }

  Function *intrinsic(const Function &function) {
    if (Function *known = target->getFunction(function.getName()))
      return known;
    Function *same = Function::Create(function.getFunctionType(), GlobalValue::ExternalLinkage,
                                      function.getAddressSpace(), function.getName(),
                                      target.get());
    same->setAttributes(function.getAttributes());
    return same;
  }

  // What a definition of another module names.
  Value *referElsewhere(GlobalValue &named) {
    if (auto *function = dyn_cast<Function>(&named); function && function->isIntrinsic())
      return intrinsic(*function);
    const Imports::Reference *reference = imports.reference(named);
    return reference ? refer(named, *reference) : nullptr;
  }

  Value *refer(GlobalValue &named, const Imports::Reference &reference) {
    if (reference.name.empty())
      return materialize(index.globals[reference.number]);
    GlobalValue *&known = foreign[reference.number];
    if (known)
      return known;
    if (auto *function = dyn_cast<Function>(&named)) {
      Function *declaration =
          Function::Create(function->getFunctionType(), GlobalValue::ExternalLinkage,
                           function->getAddressSpace(), reference.name, target.get());
      declaration->setCallingConv(function->getCallingConv());
      declaration->setAttributes(
          keepAbi(source.getContext(), function->getAttributes(), function->arg_size()));
      declaration->setDSOLocal(reference.is_near);
      declared_elsewhere[declaration] = reference.number;
      return known = declaration;
    }
    auto *variable = cast<GlobalVariable>(&named);
    const bool is_shown = fold && reference.is_current && variable->hasInitializer();
    auto *copy = new GlobalVariable(
        *target, variable->getValueType(), variable->isConstant(),
        reference.is_private ? GlobalValue::PrivateLinkage
        : is_shown           ? GlobalValue::AvailableExternallyLinkage
                             : GlobalValue::ExternalLinkage,
        nullptr, reference.name, nullptr, variable->getThreadLocalMode(), variable->getAddressSpace());
    copy->setAlignment(variable->getAlign());
    copy->setDSOLocal(reference.is_near && !variable->isThreadLocal());
    if (is_late)
      markLate(*copy);
    known = copy;
    if (reference.is_private)
      copy->setUnnamedAddr(GlobalValue::UnnamedAddr::Global);
    if (is_shown || reference.is_private)
      pending.push_back({variable, copy});
    if (is_shown && !reference.is_private)
      index.shown.push_back(reference.number);
    return copy;
  }

  Value *bring(GlobalVariable &variable, bool as_root = false) {
    if (Value *known = made.lookup(&variable))
      return known;
    if (isNoopFrame(variable))
      return made[&variable] = noopFrame(*target);
    uint8_t known = state(variable);
    bool elected = known & REWIRE_ELECTED;
    // A table of its labels is part of a body: the next body has other labels, and a table of its
    // own. The first one is what all others find.
    const bool is_table =
        tables.contains(&variable) && variable.hasInitializer() && !as_root &&
        (text || ((known & REWIRE_PLACED) && variable.isConstant() && variable.hasLocalLinkage()));
    bool with_value = is_table || (elected && !(known & REWIRE_PLACED) &&
                                   variable.hasInitializer() && bodiesAreHere(variable));
    // Addresses of another object's blocks can't be written down.
    bool fold_only = elected && (known & REWIRE_PLACED) && fold && variable.isConstant() &&
                     !index.jump_tables.count(&variable) &&
                     variable.hasDefinitiveInitializer() && !variable.isThreadLocal();
    GlobalValue::LinkageTypes linkage =
        is_table                              ? GlobalValue::InternalLinkage
        : with_value                          ? definedAs(variable)
        : fold_only                           ? GlobalValue::AvailableExternallyLinkage
        : variable.hasExternalWeakLinkage()   ? GlobalValue::ExternalWeakLinkage
                                              : GlobalValue::ExternalLinkage;
    auto *copy = new GlobalVariable(*target, variable.getValueType(), variable.isConstant(),
                                    linkage, nullptr, nameOf(variable), nullptr,
                                    GlobalValue::NotThreadLocal, variable.getAddressSpace());
    copy->setAlignment(variable.getAlign());
    copy->setUnnamedAddr(GlobalValue::UnnamedAddr::None);
    if (variable.isThreadLocal())
      // One way to find a variable, whoever defines it; another model would need its definition
      // in the program's static block.
      copy->setThreadLocalMode(GlobalVariable::GeneralDynamicTLSModel);
    else if (elected)
      copy->setDSOLocal(true);
    // Named by its symbol: a variable of default visibility that is close by is named by its
    // section, and another thread's object may bring the copy that counts.
    if (with_value && text && !is_table)
      copy->setVisibility(variable.getVisibility());
    else if (with_value && !text && !is_table && !variable.isThreadLocal())
      copy->setVisibility(GlobalValue::HiddenVisibility);
    made[&variable] = copy;
    if (with_value) {
      copy->setSection(variable.getSection());
      copy->setAttributes(variable.getAttributes());
    }
    if (is_late)
      markLate(*copy);
    if (with_value || fold_only)
      pending.push_back({&variable, copy});
    else if (fold && imports.areWanted() && !elected && !functions.empty() &&
             linkage == GlobalValue::ExternalLinkage && !variable.isThreadLocal())
      showValue(variable, *copy);
    if (fold_only || (with_value && !is_table && fold && variable.isConstant()))
      index.shown.push_back(index.ordinals.lookup(&variable));
    return copy;
  }

  // A variable that has lost its name, with its value.
  void bringOwn(GlobalVariable &variable) {
    auto *copy = new GlobalVariable(*target, variable.getValueType(), variable.isConstant(),
                                    GlobalValue::ExternalLinkage, nullptr, definedName(variable),
                                    nullptr, GlobalValue::NotThreadLocal,
                                    variable.getAddressSpace());
    copy->setAlignment(variable.getAlign());
    copy->setSection(variable.getSection());
    copy->setAttributes(variable.getAttributes());
    if (variable.isThreadLocal())
      copy->setThreadLocalMode(GlobalVariable::GeneralDynamicTLSModel);
    else
      copy->setVisibility(GlobalValue::HiddenVisibility);
    if (variable.hasInitializer())
      pending.push_back({&variable, copy});
  }

  // A variable that holds addresses of a function's blocks comes with that function's body.
  bool bodiesAreHere(const GlobalVariable &variable) const {
    if (index.jump_tables.empty())
      return true;
    for (Function *function : index.jump_tables.lookup(&variable))
      if (!functions.contains(function))
        return false;
    return true;
  }

  // The linker may keep another object's copy of the variable, at the alignment that the unit asks
  // for. LLVM raises the alignment of a definition that is certain to count and relies on it; of a
  // weak one it doesn't. Nobody folds a weak value either, unless all are alike.
  static GlobalValue::LinkageTypes definedAs(const GlobalVariable &variable) {
    return variable.isInterposable() ? GlobalValue::WeakAnyLinkage : GlobalValue::WeakODRLinkage;
  }

  // Whether an alias is what its module defines and nobody else: where a weak definition has lost
  // its name, the name is another's, and the alias isn't.
  bool standsForItsOwn(const GlobalAlias &alias) const {
    const auto *target = dyn_cast<GlobalValue>(alias.getAliasee()->stripInBoundsConstantOffsets());
    return !target || target->hasLocalLinkage() || index.taken_locals.contains(target) ||
           (state(*target) & REWIRE_ELECTED);
  }

  // An alias that its module defines is what it stands for; another is a name to resolve.
  Value *follow(GlobalValue &global) {
    if (auto *alias = dyn_cast<GlobalAlias>(&global))
      if (!text && (state(global) & REWIRE_ELECTED) && standsForItsOwn(*alias)) {
        if (const GlobalObject *object = alias->getAliaseeObject())
          aliases[object].push_back(index.ordinals.lookup(alias));
        return MapValue(alias->getAliasee(), values, RF_None, nullptr, this);
      }
    bool local = state(global) & REWIRE_ELECTED;
    GlobalValue *declaration;
    if (auto *type = dyn_cast<FunctionType>(global.getValueType())) {
      Function *function = Function::Create(type, GlobalValue::ExternalLinkage,
                                            global.getAddressSpace(), nameOf(global), target.get());
      if (imports.areWanted() && isa<GlobalAlias>(global) && !local)
        declared_elsewhere[function] = uint32_t(index.ordinals.lookup(&global));
      declaration = function;
    } else
      declaration = new GlobalVariable(
          *target, global.getValueType(), false, GlobalValue::ExternalLinkage, nullptr,
          nameOf(global), nullptr,
          global.isThreadLocal() ? GlobalVariable::GeneralDynamicTLSModel
                                 : GlobalVariable::NotThreadLocal,
          global.getAddressSpace());
    if (local && !global.isThreadLocal())
      declaration->setDSOLocal(true);
    return declaration;
  }

  bool finish() {
    while (!failed && (!pending.empty() || !inlined.empty())) {
      if (!pending.empty()) {
        auto [from, to] = pending.pop_back_val();
        to->setInitializer(MapValue(from->getInitializer(), values, RF_None, nullptr, this));
        continue;
      }
      auto [from, to] = inlined.pop_back_val();
      if (!read(*from))
        return false;
      giveBody(*to, *from);
    }
    return !failed;
  }

  // A body that is there to be inlined; whoever takes its address gets the one in the ledger.
  void giveBody(Function &to, Function &from) {
    const Declared before(to);
    cloneInto(to, from);
    dropFront(to);
    // Natively such a body is inlined without the calls that -finstrument-functions asks for.
    if (from.hasAvailableExternallyLinkage())
      dropInstrumentation(to);
    if (auto found = found_elsewhere.find(&from); found != found_elsewhere.end()) {
      markBody(to, found->second, {}, before);
      makeOptional(to);
      return;
    }
    markBody(to, index.ordinals.lookup(&from), aliases.lookup(&from), before);
  }

  // The body that another module has for a declaration.
  Function *findElsewhere(const Function &declaration, size_t most) {
    auto number = declared_elsewhere.find(&declaration);
    if (number == declared_elsewhere.end())
      return nullptr;
    const Imports::Found found = imports.find(number->second, most);
    auto *function = dyn_cast_or_null<Function>(found.definition);
    if (!function || !Imports::fits(declaration, *function))
      return nullptr;
    found_elsewhere[function] = found.number;
    return function;
  }

  // Gives a declared variable the value of the constant that it stands for.
  void showValue(const GlobalVariable &variable, GlobalVariable &copy) {
    const uint32_t ordinal = uint32_t(index.ordinals.lookup(&variable));
    const Imports::Found found = imports.find(ordinal, SIZE_MAX);
    auto *constant = dyn_cast_or_null<GlobalVariable>(found.definition);
    const DataLayout &layout = source.getDataLayout();
    // Types of one layout may be written in several ways; a value is of one of them.
    if (!constant || constant->getValueType() != copy.getValueType() ||
        constant->getAddressSpace() != copy.getAddressSpace() ||
        !layout.getTypeAllocSize(copy.getValueType()))
      return;
    copy.setConstant(true);
    copy.setLinkage(GlobalValue::AvailableExternallyLinkage);
    pending.push_back({constant, &copy});
    index.shown.push_back(found.number);
  }

  bool bringInlinable() {
    is_late = true;
    const auto definition = [&](Function &declaration, size_t most) -> Function * {
      Function *function = declared.lookup(&declaration);
      if (!function || declared_elsewhere.contains(&declaration))
        return findElsewhere(declaration, most);
      std::string message;
      // What is alone in its object isn't inlined into itself: a recursive call goes to whatever
      // body is in force. Of what can't be read, a call will tell.
      if (!function || (functions.size() == 1 && bodies.count(function)) ||
          !readBody(index, *function, message) || !mayBeCopied(*function))
        return nullptr;
      return function;
    };
    const auto bring = [&](Function &to, Function &from) {
      giveBody(to, from);
      return finish();
    };
    return bringBodies(*target, budget, {definition, bring});
  }
};

} // namespace

bool rewire_extract(RewireIndex *index, const size_t *roots, size_t root_count,
                    const uint8_t *states, bool fold, bool whole, RewireInlineBudget budget,
                    const RewireImporter *importer, LLVMModuleRef *out, char **error) {
  std::string message;
  index->shown.clear();
  Extractor extractor(*index, states, fold, whole, /*text=*/false, budget, importer);
  if (!extractor.run(ArrayRef<size_t>(roots, root_count), message)) {
    *error = newMessage(message);
    return true;
  }
  *out = wrap(extractor.take().release());
  return false;
}

bool rewire_extract_front(RewireIndex *index, size_t function, const uint8_t *states,
                          LLVMModuleRef *out, char **error) {
  auto *source = dyn_cast<Function>(index->globals[function & ~REWIRE_OWN_COPY]);
  std::string message = "it is no function";
  index->shown.clear();
  Extractor extractor(*index, states, /*fold=*/false, /*whole=*/false);
  if (!source || !extractor.runFront(*source, function & REWIRE_OWN_COPY, message)) {
    *error = newMessage(message);
    return true;
  }
  *out = wrap(extractor.take().release());
  return false;
}

bool rewire_extract_text(RewireIndex *index, size_t root, const uint8_t *states,
                         LLVMModuleRef *out, char **error) {
  std::string message;
  index->shown.clear();
  Extractor extractor(*index, states, /*fold=*/false, /*whole=*/false, /*text=*/true);
  if (!extractor.run(root, message)) {
    *error = newMessage(message);
    return true;
  }
  *out = wrap(extractor.take().release());
  return false;
}
