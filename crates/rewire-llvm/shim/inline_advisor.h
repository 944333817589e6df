// Inlining by LLVM's own costs, with a note of what was inlined where.
#ifndef REWIRE_INLINE_ADVISOR_H
#define REWIRE_INLINE_ADVISOR_H

#include "llvm/Passes/OptimizationLevel.h"
#include "llvm/Passes/PassBuilder.h"

namespace rewire {

// Has each inliner that runs with these analyses note what it inlines (noteInlined).
void noteWhatIsInlined(llvm::ModuleAnalysisManager &modules);

// Inlines callees into callers, bottom up, and simplifies each function on the way. To be run by
// inlineBodies. LLVM's own wrapper of its inliner can be run once.
llvm::ModulePassManager inliningPasses(llvm::FunctionPassManager simplification);

void inlineBodies(llvm::ModulePassManager &passes, llvm::Module &module,
                  llvm::ModuleAnalysisManager &modules, llvm::OptimizationLevel level);

} // namespace rewire

#endif
