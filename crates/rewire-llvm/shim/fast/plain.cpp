// See plain.h.

#include "plain.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"

using namespace llvm;
using namespace rewire;

namespace {

// A value in one general or SSE register, or several such.
bool isPlain(const Type *type) {
  switch (type->getTypeID()) {
  case Type::VoidTyID:
  case Type::LabelTyID:
  case Type::FloatTyID:
  case Type::DoubleTyID:
    return true;
  case Type::PointerTyID:
    return type->getPointerAddressSpace() == 0;
  case Type::IntegerTyID:
    return type->getIntegerBitWidth() <= 64;
  case Type::StructTyID:
    return llvm::all_of(type->subtypes(), [](const Type *part) { return isPlain(part); });
  case Type::ArrayTyID:
    return isPlain(type->getArrayElementType());
  default:
    return false;
  }
}

bool isPlain(Attribute attribute) {
  if (attribute.isStringAttribute()) {
    StringRef value = attribute.getValueAsString();
    return StringSwitch<bool>(attribute.getKindAsString())
        .Cases({"frame-pointer", "min-legal-vector-width", "no-trapping-math",
                "stack-protector-buffer-size", "no-inline-line-tables"}, true)
        .Case("target-cpu", value == "x86-64")
        .Case("tune-cpu", value == "generic" || value == "x86-64")
        .Case("target-features", llvm::all_of(llvm::split(value, ','), [](StringRef feature) {
          return StringSwitch<bool>(feature)
              .Cases({"", "+cx8", "+cmov", "+fxsr", "+mmx", "+sse", "+sse2", "+x87"}, true)
              .Default(false);
        }))
        .Default(false);
  }
  switch (attribute.getKindAsEnum()) {
  // How a function is to be compiled.
  case Attribute::AlwaysInline:
  case Attribute::Cold:
  case Attribute::Hot:
  case Attribute::InlineHint:
  case Attribute::MinSize:
  case Attribute::NoBuiltin:
  case Attribute::Builtin:
  case Attribute::NoInline:
  case Attribute::NoRedZone:
  case Attribute::NonLazyBind:
  case Attribute::OptimizeForSize:
  case Attribute::OptimizeNone:
  case Attribute::UWTable:
  // What it promises.
  case Attribute::Memory:
  case Attribute::MustProgress:
  case Attribute::NoCallback:
  case Attribute::NoFree:
  case Attribute::NoRecurse:
  case Attribute::NoReturn:
  case Attribute::NoSync:
  case Attribute::NoUnwind:
  case Attribute::Speculatable:
  case Attribute::WillReturn:
  case Attribute::AllocSize:
  case Attribute::AllocKind:
  // Arguments and results.
  case Attribute::Alignment:
  case Attribute::ByVal:
  case Attribute::Captures:
  case Attribute::Dereferenceable:
  case Attribute::DereferenceableOrNull:
  case Attribute::ImmArg:
  case Attribute::InReg:
  case Attribute::NoAlias:
  case Attribute::NoFPClass:
  case Attribute::NoUndef:
  case Attribute::NonNull:
  case Attribute::Range:
  case Attribute::ReadNone:
  case Attribute::ReadOnly:
  case Attribute::Returned:
  case Attribute::SExt:
  case Attribute::StructRet:
  case Attribute::Writable:
  case Attribute::WriteOnly:
  case Attribute::ZExt:
    return true;
  default:
    return false;
  }
}

bool isPlain(const AttributeList &attributes) {
  for (const AttributeSet &set : attributes)
    for (Attribute attribute : set)
      if (!isPlain(attribute))
        return false;
  return true;
}

// Both are the same where tail calls aren't guaranteed.
bool isPlain(CallingConv::ID convention) {
  return convention == CallingConv::C || convention == CallingConv::Fast;
}

// What becomes instructions, a call of the C library's function, or nothing, when instructions are
// selected.
bool isSelected(const Function &intrinsic) {
  switch (intrinsic.getIntrinsicID()) {
  case Intrinsic::memcpy:
  case Intrinsic::memmove:
  case Intrinsic::memset:
  case Intrinsic::assume:
  case Intrinsic::lifetime_end:
  case Intrinsic::lifetime_start:
  case Intrinsic::experimental_noalias_scope_decl:
  case Intrinsic::abs:
  case Intrinsic::bswap:
  case Intrinsic::fshl:
  case Intrinsic::fshr:
  case Intrinsic::smax:
  case Intrinsic::smin:
  case Intrinsic::umax:
  case Intrinsic::umin:
  case Intrinsic::sadd_with_overflow:
  case Intrinsic::smul_with_overflow:
  case Intrinsic::ssub_with_overflow:
  case Intrinsic::uadd_with_overflow:
  case Intrinsic::umul_with_overflow:
  case Intrinsic::usub_with_overflow:
  case Intrinsic::sadd_sat:
  case Intrinsic::ssub_sat:
  case Intrinsic::uadd_sat:
  case Intrinsic::usub_sat:
    return true;
  default:
    return false;
  }
}

bool isPlain(const CallInst &call) {
  const Value *called = call.getCalledOperand();
  if (isa<InlineAsm>(called) || call.isMustTailCall() || call.hasOperandBundles() ||
      !isPlain(call.getCallingConv()))
    return false;
  if (auto *function = dyn_cast<Function>(called); function && function->isIntrinsic())
    return isSelected(*function) && isPlain(call.getAttributes());
  return isPlain(call.getAttributes());
}

bool isPlain(const Instruction &instruction) {
  if (!isPlain(instruction.getType()))
    return false;
  for (const Value *operand : instruction.operand_values())
    if (!isPlain(operand->getType()))
      return false;
  switch (instruction.getOpcode()) {
  case Instruction::Alloca: {
    auto &slot = cast<AllocaInst>(instruction);
    return slot.isStaticAlloca() && !slot.isUsedWithInAlloca() && !slot.isSwiftError() &&
           isPlain(slot.getAllocatedType());
  }
  case Instruction::Load:
    return !cast<LoadInst>(instruction).isAtomic();
  case Instruction::Store:
    return !cast<StoreInst>(instruction).isAtomic();
  case Instruction::Call:
    return isPlain(cast<CallInst>(instruction));
  case Instruction::FRem:
    return false;
  case Instruction::Br:
  case Instruction::ExtractValue:
  case Instruction::FCmp:
  case Instruction::FNeg:
  case Instruction::Freeze:
  case Instruction::GetElementPtr:
  case Instruction::ICmp:
  case Instruction::InsertValue:
  case Instruction::PHI:
  case Instruction::Ret:
  case Instruction::Select:
  case Instruction::Switch:
  case Instruction::Unreachable:
    return true;
  default:
    return instruction.isBinaryOp() || instruction.isCast();
  }
}

bool needsConstants(const Instruction &instruction) {
  const auto isOther = [](const Type *type) {
    return type->isFloatingPointTy() || type->isAggregateType();
  };
  // What copies or fills may do so with a vector from memory.
  if (isa<SwitchInst, MemIntrinsic>(instruction) || isOther(instruction.getType()))
    return true;
  return llvm::any_of(instruction.operand_values(),
                      [&](const Value *operand) { return isOther(operand->getType()); });
}

bool isPlain(const Function &function, bool &constants) {
  if (function.hasGC() || function.hasPersonalityFn() || function.hasPrefixData() ||
      function.hasPrologueData() || !isPlain(function.getCallingConv()) ||
      function.hasMetadata() || !isPlain(function.getAttributes()))
    return false;
  for (const Argument &argument : function.args())
    if (!isPlain(argument.getType()))
      return false;
  for (const Instruction &instruction : instructions(function))
    if (!isPlain(instruction))
      return false;
    else
      constants |= needsConstants(instruction);
  return true;
}

} // namespace

Plainness rewire::plainness(const Module &module) {
  if (!module.getModuleInlineAsm().empty())
    return Plainness::None;
  SmallVector<Module::ModuleFlagEntry, 8> flags;
  module.getModuleFlagsMetadata(flags);
  for (const Module::ModuleFlagEntry &flag : flags)
    if (!StringSwitch<bool>(flag.Key->getString())
             .Cases({"wchar_size", "PIC Level", "PIE Level", "uwtable", "frame-pointer",
                     "Debug Info Version", "Dwarf Version"}, true)
             .Default(false))
      return Plainness::None;
  if (!module.ifunc_empty())
    return Plainness::None;
  // Tables of constructors and the like; variables that are found by way of the GOT's address,
  // because they or their sections are large.
  for (const GlobalVariable &variable : module.globals())
    if (variable.hasAppendingLinkage() || variable.hasSection() || variable.getCodeModel())
      return Plainness::None;
  bool constants = false;
  for (const Function &function : module)
    if (!function.isDeclaration() && !isPlain(function, constants))
      return Plainness::None;
  return constants ? Plainness::Plain : Plainness::Integers;
}
