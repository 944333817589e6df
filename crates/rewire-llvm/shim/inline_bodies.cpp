// See inline_bodies.h.

#include "inline_bodies.h"
#include "abi_attributes.h"
#include "coroutines.h"
#include "front.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"

using namespace llvm;
using namespace rewire;

namespace {

// The number of a body's global, then those of aliases.
constexpr StringLiteral kBody = kBodyMark;
// The numbers of the bodies that a function holds copies of.
constexpr StringLiteral kHolds = "rewire-holds";
// Set on variables that only brought bodies name.
constexpr StringLiteral kLate = "rewire-late";

// Functions of at most so many blocks are brought before others.
constexpr size_t kFewBlocks = 4;
// Those that have so few instructions besides cost less than a call of them, and what they call is
// as near as they are themselves: code in C++ and Rust reaches everything through such functions.
constexpr size_t kFewInstructions = 30;

// What the optimiser may learn of a call from the attributes of the function that it calls, and
// what therefore must not be said of one that may be replaced. Demands on how the body is compiled
// stay.
constexpr Attribute::AttrKind kLearned[] = {
    Attribute::Memory,     Attribute::NoUnwind,     Attribute::WillReturn, Attribute::NoReturn,
    Attribute::NoFree,     Attribute::NoSync,       Attribute::NoRecurse,  Attribute::NoCallback,
    Attribute::AllocSize,  Attribute::AllocKind,    Attribute::NonLazyBind,
    Attribute::Speculatable};

using Numbers = SmallSetVector<size_t, 8>;

void addNumbers(StringRef text, Numbers &numbers) {
  SmallVector<StringRef, 8> parts;
  text.split(parts, ',', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  for (StringRef part : parts) {
    size_t number = 0;
    if (!part.getAsInteger(10, number))
      numbers.insert(number);
  }
}

Numbers numbersOf(const Function &function, StringRef mark) {
  Numbers numbers;
  if (function.hasFnAttribute(mark))
    addNumbers(function.getFnAttribute(mark).getValueAsString(), numbers);
  return numbers;
}

void setNumbers(Function &function, StringRef mark, ArrayRef<size_t> numbers) {
  std::string text;
  raw_string_ostream stream(text);
  interleave(numbers, stream, ",");
  function.addFnAttr(mark, text);
}

bool isBody(const Function &function) {
  return function.hasAvailableExternallyLinkage() && function.hasFnAttribute(kBody);
}

// Allocas and what reads and writes them become registers, and debug records nothing.
bool costs(const Instruction &instruction) {
  if (isa<AllocaInst>(instruction) || instruction.isDebugOrPseudoInst())
    return false;
  if (const Value *address = getLoadStorePointerOperand(&instruction))
    return !isa<AllocaInst>(address);
  auto *intrinsic = dyn_cast<IntrinsicInst>(&instruction);
  return !intrinsic || !intrinsic->isLifetimeStartOrEnd();
}

// Whether assembly may define a name, which can't be defined twice. `%=` and `${:uid}` make names
// that can, but tell where they are used.
bool mayDefineNames(StringRef assembly) {
  return assembly.contains(':') || assembly.contains('=') || assembly.contains(".set") ||
         assembly.contains(".equ") || assembly.contains(".glob") || assembly.contains(".weak") ||
         assembly.contains(".comm") || assembly.contains(".lcomm") ||
         assembly.contains(".symver") || assembly.contains(".macro");
}

bool mayBeCopied(const Instruction &instruction) {
  for (const Use &operand : instruction.operands())
    if (isa<BlockAddress>(operand))
      return false;
  auto *call = dyn_cast<CallBase>(&instruction);
  if (!call)
    return true;
  if (auto *assembly = dyn_cast<InlineAsm>(call->getCalledOperand()))
    return !mayDefineNames(assembly->getAsmString());
  const Function *callee = call->getCalledFunction();
  // A copy of a recursive body may become a loop that nothing leads out of.
  if (callee == call->getFunction())
    return false;
  if (!callee || !callee->isIntrinsic())
    return true;
  StringRef name = callee->getName();
  name.consume_front("llvm.");
  // What is lowered belongs to the function that it was written in.
  return !name.starts_with("coro.") && !name.starts_with("localescape") &&
         !name.starts_with("va_start") && !name.starts_with("experimental.deoptimize") &&
         !name.starts_with("icall.branch.funnel");
}

struct Candidate {
  Function *declared;
  Function *definition;
  size_t size;
  size_t blocks;

  // Must be inlined, then few blocks, then the smallest.
  std::tuple<bool, bool, size_t> rank() const {
    return {!definition->hasFnAttribute(Attribute::AlwaysInline), blocks > kFewBlocks, size};
  }

  bool isTiny() const { return blocks <= kFewBlocks && size <= kFewInstructions; }
};

// The bodies that a function inlines because it must.
void addMandatory(Function &function, SmallPtrSetImpl<Function *> &seen, Numbers &numbers) {
  for (Instruction &instruction : instructions(function)) {
    auto *call = dyn_cast<CallBase>(&instruction);
    Function *callee = call ? call->getCalledFunction() : nullptr;
    if (!callee || callee->empty() || !callee->hasFnAttribute(Attribute::AlwaysInline) ||
        !seen.insert(callee).second)
      continue;
    const Numbers own = numbersOf(*callee, kBody);
    numbers.insert(own.begin(), own.end());
    addMandatory(*callee, seen, numbers);
  }
}

void dropLate(Module &module) {
  SmallVector<GlobalVariable *, 16> late;
  for (GlobalVariable &variable : module.globals())
    if (variable.hasAttribute(kLate))
      late.push_back(&variable);
  // A value names others; mostly those that came after it.
  for (bool again = true; again;) {
    again = false;
    for (GlobalVariable *&variable : late) {
      if (!variable)
        continue;
      variable->removeDeadConstantUsers();
      if (!variable->use_empty())
        continue;
      variable->eraseFromParent();
      variable = nullptr;
      again = true;
    }
  }
  for (GlobalVariable *variable : late)
    if (variable)
      variable->setAttributes(
          variable->getAttributes().removeAttribute(module.getContext(), kLate));
}

} // namespace

size_t rewire::sizeOf(const Function &function) {
  return count_if(instructions(function), costs);
}

bool rewire::mayBeCopied(const Function &definition) {
  for (Attribute::AttrKind kind : {Attribute::NoInline, Attribute::OptimizeNone, Attribute::Naked,
                                   Attribute::ReturnsTwice, Attribute::StrictFP,
                                   Attribute::PresplitCoroutine})
    if (definition.hasFnAttribute(kind))
      return false;
  if (definition.empty() || definition.isVarArg() || definition.isInterposable() ||
      needsFront(definition) || coroutinePart(definition) != CoroutinePart::None ||
      definition.callsFunctionThatReturnsTwice())
    return false;
  for (const BasicBlock &block : definition)
    if (block.hasAddressTaken())
      return false;
  return all_of(instructions(definition),
                [](const Instruction &one) { return ::mayBeCopied(one); });
}

bool rewire::bringBodies(Module &module, const RewireInlineBudget &budget,
                         const BodySource &source) {
  SmallVector<Function *, 16> level;
  SmallPtrSet<Function *, 32> looked_at;
  for (Function &function : module)
    if (!function.empty() && !function.hasAvailableExternallyLinkage())
      level.push_back(&function);
  size_t left = budget.total;
  size_t most = budget.instructions;
  const auto bring = [&](const Candidate &one) {
    left -= one.size;
    level.push_back(one.declared);
    return source.bring(*one.declared, *one.definition);
  };
  for (unsigned depth = 0; depth <= budget.depth && !level.empty(); ++depth, most /= 2) {
    SmallVector<Candidate, 16> candidates;
    // Tiny bodies join the level of their callers, the last one too.
    for (size_t i = 0; i < level.size(); ++i) {
      for (Instruction &instruction : instructions(*level[i])) {
        auto *call = dyn_cast<CallBase>(&instruction);
        Function *callee = call && !call->isNoInline() ? call->getCalledFunction() : nullptr;
        if (!callee || callee->isIntrinsic() || !looked_at.insert(callee).second)
          continue;
        // What must be inlined is part of its caller.
        if (isBody(*callee)) {
          level.push_back(callee);
          continue;
        }
        if (!callee->empty())
          continue;
        Function *definition =
            source.definition(*callee, std::max(most, kFewInstructions));
        if (!definition)
          continue;
        const Candidate one{callee, definition, sizeOf(*definition), definition->size()};
        if (!one.isTiny() || one.size > left)
          candidates.push_back(one);
        else if (!bring(one))
          return false;
      }
    }
    stable_sort(candidates, [](const Candidate &one, const Candidate &other) {
      return one.rank() < other.rank();
    });
    level.clear();
    if (depth == budget.depth)
      break;
    for (const Candidate &one : candidates)
      if (one.size <= most && one.size <= left && !bring(one))
        return false;
  }
  return true;
}

void rewire::markBody(Function &body, size_t ordinal, ArrayRef<size_t> aliases,
                      const Declared &before) {
  LLVMContext &context = body.getContext();
  const AttributeList all = body.getAttributes();
  AttrBuilder function(context, all.getFnAttrs());
  for (Attribute::AttrKind kind : kLearned)
    function.removeAttribute(kind);
  SmallVector<AttributeSet, 8> parameters;
  for (unsigned i = 0; i < body.arg_size(); ++i) {
    AttrBuilder parameter(context, before.attributes.getParamAttrs(i));
    // Of no use to a caller, but to the body where it is inlined.
    if (all.hasParamAttr(i, Attribute::NoAlias))
      parameter.addAttribute(Attribute::NoAlias);
    parameters.push_back(AttributeSet::get(context, parameter));
  }
  body.setAttributes(AttributeList::get(context, AttributeSet::get(context, function),
                                        before.attributes.getRetAttrs(), parameters));
  body.setLinkage(GlobalValue::AvailableExternallyLinkage);
  body.setVisibility(GlobalValue::DefaultVisibility);
  body.setDSOLocal(before.is_dso_local);
  body.setComdat(nullptr);
  body.setSection("");
  SmallVector<size_t, 4> numbers{ordinal};
  numbers.append(aliases.begin(), aliases.end());
  setNumbers(body, kBody, numbers);
}

void rewire::makeOptional(Function &body) {
  if (!body.hasFnAttribute(Attribute::AlwaysInline))
    return;
  body.removeFnAttr(Attribute::AlwaysInline);
  body.addFnAttr(Attribute::InlineHint);
  // LLVM takes this for the cost of a copy.
  body.addFnAttr("function-inline-cost", "0");
}

void rewire::markLate(GlobalVariable &variable) { variable.addAttribute(kLate); }

bool rewire::isOptionalBody(const Function &function) {
  return isBody(function) && !function.hasFnAttribute(Attribute::AlwaysInline);
}

bool rewire::hasOptionalBodies(const Module &module) { return any_of(module, isOptionalBody); }

bool rewire::hasBodies(const Module &module) { return any_of(module, isBody); }

void rewire::noteMandatory(Module &module) {
  for (Function &function : module) {
    Numbers numbers;
    SmallPtrSet<Function *, 8> seen;
    addMandatory(function, seen, numbers);
    if (!numbers.empty())
      setNumbers(function, kHolds, numbers.getArrayRef());
  }
}

void rewire::noteAll(Module &module) {
  for (const Function &body : module)
    if (isBody(body))
      for (Function &function : module)
        if (!function.empty() && !isBody(function))
          noteInlined(function, body);
}

void rewire::noteInlined(Function &caller, const Function &callee) {
  Numbers numbers = numbersOf(caller, kHolds);
  for (StringRef mark : {StringRef(kBody), StringRef(kHolds)}) {
    const Numbers more = numbersOf(callee, mark);
    numbers.insert(more.begin(), more.end());
  }
  if (!numbers.empty())
    setNumbers(caller, kHolds, numbers.getArrayRef());
}

void rewire::dropBody(Function &body) {
  const unsigned parameters = body.arg_size();
  body.deleteBody();
  body.setAttributes(keepAbi(body.getContext(), body.getAttributes(), parameters));
}

void rewire::dropBodies(Module &module, std::vector<size_t> &inlined) {
  Numbers held;
  for (Function &function : module) {
    if (isBody(function)) {
      dropBody(function);
    } else if (function.hasFnAttribute(kHolds)) {
      const Numbers numbers = numbersOf(function, kHolds);
      held.insert(numbers.begin(), numbers.end());
      function.removeFnAttr(kHolds);
    }
  }
  inlined.insert(inlined.end(), held.begin(), held.end());
  dropLate(module);
}
