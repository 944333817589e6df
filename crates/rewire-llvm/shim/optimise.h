// The IR passes of a level of optimisation.
#ifndef REWIRE_OPTIMISE_H
#define REWIRE_OPTIMISE_H

#include "lower.h"
#include "llvm/Analysis/CGSCCPassManager.h"
#include "llvm/Analysis/LoopAnalysisManager.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Target/TargetMachine.h"
#include <optional>
#include <string>
#include <vector>

namespace rewire {

// The new pass manager's state for one level. Making it costs more than running it over a small
// function, so it is made once; what it remembers of a module is dropped after each.
//
// The pipeline is the default one without what works between functions, but for inlining: a module
// holds one function, or a few that don't see each other's bodies, and bodies to be inlined. (The
// default pipeline can't be used twice either: its inliner empties itself when it runs.)
class Optimiser {
public:
  // With `chosen`, these passes are the pipeline; they have to be valid.
  Optimiser(llvm::TargetMachine &machine, llvm::OptimizationLevel level,
            std::optional<std::string> chosen);

  // Adds the numbers of the bodies that were inlined.
  void run(llvm::Module &module, Lowerings lowerings, std::vector<size_t> &inlined);

private:
  // Has counted loops poll rarely, and optimises them anew.
  void simplifyPolledLoops(llvm::Module &module);
  // Forgets what was found out about a module.
  void forget();

  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager groups;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder;
  llvm::OptimizationLevel level;
  std::optional<std::string> chosen;
  // What code generation doesn't know is lowered between the two.
  // `simplifying_passes` or `inlining_passes` come after them.
  llvm::ModulePassManager early_passes, simplifying_passes, inlining_passes, passes;
};

} // namespace rewire

#endif
