// Bodies that stand in an extracted module only to be inlined (`available_externally`).
//
// Each carries a mark with the number of its global, and with the numbers of the aliases by which
// it was named. Each function carries the numbers of the bodies that it holds a copy of, so that in
// the end the module itself says what its code was made from, through any depth.
#ifndef REWIRE_INLINE_BODIES_H
#define REWIRE_INLINE_BODIES_H

#include "shim.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/IR/Module.h"
#include <vector>

namespace rewire {

// The attribute of a body that is there to be inlined: the ordinals of the function and of aliases
// by which it was named, with commas between them.
inline constexpr llvm::StringLiteral kBodyMark = "rewire-body";

// Who brings the bodies.
struct BodySource {
  // The definition that a declared function of the extracted module stands for, read: null when
  // there is none that callers may hold a copy of, or none of at most so many instructions.
  llvm::function_ref<llvm::Function *(llvm::Function &declared, size_t most)> definition;
  // Gives the declared function the body; false when extracting has failed.
  llvm::function_ref<bool(llvm::Function &declared, llvm::Function &definition)> bring;
};

// Brings bodies of what the module's functions call, and of what those call, as far as the budget
// goes: the smallest first.
bool bringBodies(llvm::Module &module, const RewireInlineBudget &budget, const BodySource &source);

// The number of a body's instructions that cost something.
size_t sizeOf(const llvm::Function &function);

// Whether callers may hold a copy of a body, which has been read. LLVM's inliner refuses more.
bool mayBeCopied(const llvm::Function &definition);

// What a function was declared with, before it was given a body.
struct Declared {
  llvm::AttributeList attributes;
  bool is_dso_local;

  explicit Declared(const llvm::Function &function)
      : attributes(function.getAttributes()), is_dso_local(function.isDSOLocal()) {}
};

// Turns a function that was given a body into one that is only there to be inlined.
void markBody(llvm::Function &body, size_t ordinal, llvm::ArrayRef<size_t> aliases,
              const Declared &before);
// Makes a body of another module, which needn't be inlined natively, one that callers may leave.
void makeOptional(llvm::Function &body);
// Marks a variable that only brought bodies name so far.
void markLate(llvm::GlobalVariable &variable);

// Whether a function is only there to be inlined, and need not be.
bool isOptionalBody(const llvm::Function &function);
// Whether the module has bodies that callers need not inline.
bool hasOptionalBodies(const llvm::Module &module);
// Whether the module has any bodies that are only there to be inlined.
bool hasBodies(const llvm::Module &module);
// Notes which bodies will be inlined because they must be. To be done before any pass.
void noteMandatory(llvm::Module &module);
// Notes that all code of the module may hold copies of all bodies.
void noteAll(llvm::Module &module);
// Notes that a function holds a copy of another, and of all that the other holds copies of.
void noteInlined(llvm::Function &caller, const llvm::Function &callee);
// Leaves a declaration of a body that is only there to be inlined.
void dropBody(llvm::Function &body);
// Takes the bodies and all marks out of the module, once inlining is over, with the variables that
// nothing names then. Adds the numbers of what the code that stays holds a copy of.
void dropBodies(llvm::Module &module, std::vector<size_t> &inlined);

} // namespace rewire

#endif
