// See plain.h.

#include "plain.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"

using namespace llvm;

namespace {

// Beside each group: who it is for, and what keeps that out of plain functions.
const StringRef kUnneeded[] = {
    // Intrinsics; vectors; wide integers; `frem`; atomics; `indirectbr`; `callbr`.
    "Pre-ISel Intrinsic Lowering", "Expand IR instructions", "Expand Atomic instructions",
    "Scalarize Masked Memory Intrinsics", "Expand reduction intrinsics",
    "Expand indirectbr instructions", "Prepare callbr",
    // A register for the GOT, which 64-bit code of the small model doesn't need; a base pointer,
    // which goes with stacks that move.
    "X86 PIC Global Base Reg Initialization", "Argument Stack Rebase",
    // Tiles of AMX: vectors, intrinsics.
    "Lower AMX intrinsics", "Lower AMX type for load/store", "Fast Tile Register Preconfigure",
    "Fast Tile Register Configure", "X86 Lower Tile Copy",
    // Garbage collection, statepoints, stack maps: attributes, intrinsics.
    "Lower Garbage Collection Instructions", "Shadow Stack GC Lowering",
    "Fixup Statepoint Caller Saved", "Analyze Machine Code For Garbage Collection",
    "StackMap Liveness Analysis",
    // Exceptions that a function catches or cleans up after: personalities.
    "Exception handling preparation", "Contiguously Lay Out Funclets",
    // Instrumentation and hardening: attributes, features, module flags.
    "Instrument function entry/exit with calls to e.g. mcount() (post inlining)",
    "Safe Stack instrumentation pass", "Insert fentry calls", "Insert XRay ops",
    "Implement the 'patchable-function' attribute", "Insert KCFI indirect call checks",
    "Unpack machine instruction bundles", "X86 Indirect Branch Tracking",
    "X86 speculative load hardening", "X86 Speculative Execution Side Effect Suppression",
    "X86 Indirect Thunks", "X86 Return Thunks", "X86 Load Value Injection (LVI) Ret-Hardening",
    "Machine Sanitizer Binary Metadata", "Pseudo Probe Inserter",
    // Debug information, which no module has; remarks, which nobody reads.
    "Assignment Tracking Analysis", "Remove Redundant DEBUG_VALUE analysis",
    "Live DEBUG_VALUE analysis", "Stack Frame Layout Analysis",
    // Registers of x87, AVX and APX: types, features.
    "X86 FP Stackifier", "X86 insert wait instruction", "X86 vzeroupper inserter",
    "Compressing EVEX instrs when possible", "X86 Suppress APX features for relocation",
    // Stacks that move while the function runs, `llvm.fake.use`, frame registers of other targets.
    "X86 DynAlloca Expander", "Remove Loads Into Fake Uses", "Local Stack Slot Allocation",
};

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

bool isPlain(const CallInst &call) {
  const Value *called = call.getCalledOperand();
  if (isa<InlineAsm>(called) || call.isMustTailCall() || call.hasOperandBundles() ||
      call.getCallingConv() != CallingConv::C)
    return false;
  if (auto *function = dyn_cast<Function>(called); function && function->isIntrinsic())
    return false;
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
    return cast<LoadInst>(instruction).isSimple();
  case Instruction::Store:
    return cast<StoreInst>(instruction).isSimple();
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
  if (isa<SwitchInst>(instruction) || isOther(instruction.getType()))
    return true;
  return llvm::any_of(instruction.operand_values(),
                      [&](const Value *operand) { return isOther(operand->getType()); });
}

bool isPlain(const Function &function, bool &constants) {
  if (function.hasGC() || function.hasPersonalityFn() || function.hasPrefixData() ||
      function.hasPrologueData() || function.getCallingConv() != CallingConv::C ||
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

RewirePlainness rewire_plainness(const Module &module) {
  if (!module.getModuleInlineAsm().empty())
    return RewirePlainness::None;
  SmallVector<Module::ModuleFlagEntry, 8> flags;
  module.getModuleFlagsMetadata(flags);
  for (const Module::ModuleFlagEntry &flag : flags)
    if (!StringSwitch<bool>(flag.Key->getString())
             .Cases({"wchar_size", "PIC Level", "PIE Level", "uwtable", "frame-pointer",
                     "Debug Info Version", "Dwarf Version"}, true)
             .Default(false))
      return RewirePlainness::None;
  if (!module.ifunc_empty())
    return RewirePlainness::None;
  // Tables of constructors and the like; variables that are found by way of the GOT's address,
  // because they or their sections are large.
  for (const GlobalVariable &variable : module.globals())
    if (variable.hasAppendingLinkage() || variable.hasSection() || variable.getCodeModel())
      return RewirePlainness::None;
  bool constants = false;
  for (const Function &function : module)
    if (!function.isDeclaration() && !isPlain(function, constants))
      return RewirePlainness::None;
  return constants ? RewirePlainness::Plain : RewirePlainness::Integers;
}

// What the target knows of costs is made anew for each function, and at this level nobody asks for
// more of it than whether lanes diverge and which address spaces there are. On this target the
// answers are those of no target in particular.
static Pass *withoutCosts(Pass *pass) {
  if (pass->getPassID() != &TargetTransformInfoWrapperPass::ID)
    return pass;
  delete pass;
  return createTargetTransformInfoWrapperPass(TargetIRAnalysis());
}

void RewirePlainPasses::add(Pass *pass) {
  if (is_contained(kUnneeded, pass->getPassName()))
    delete pass;
  else
    kept.add(withoutCosts(pass));
}
