// See passes.h.

#include "passes.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Analysis/TargetTransformInfo.h"

using namespace llvm;
using namespace rewire;

// Each group is headed by what its passes work on, and by what keeps that out of plain functions.
static constexpr StringLiteral kUnneeded[] = {
    // Intrinsics, of which those that copy or fill memory are no concern of theirs where the C
    // library has such functions; vectors; wide integers; `frem`; atomics; `indirectbr`; `callbr`.
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

// What the target knows of costs is made anew for each function. At this level passes ask it only
// whether lanes diverge and which address spaces there are, and on this target the answers are
// those of no target in particular.
static Pass *withoutCosts(Pass *pass) {
  if (pass->getPassID() != &TargetTransformInfoWrapperPass::ID)
    return pass;
  delete pass;
  return createTargetTransformInfoWrapperPass(TargetIRAnalysis());
}

void NeededPasses::add(Pass *pass) {
  if (is_contained(kUnneeded, pass->getPassName()))
    delete pass;
  else
    kept.add(withoutCosts(pass));
}
