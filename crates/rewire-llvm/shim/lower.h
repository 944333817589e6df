// What front ends emit that code generation doesn't know, and IR passes have to lower at every
// level.
#ifndef REWIRE_LOWER_H
#define REWIRE_LOWER_H

#include "llvm/IR/Module.h"
#include "llvm/IR/PassManager.h"
#include "llvm/Passes/OptimizationLevel.h"

namespace rewire {

// Which of it a module holds.
struct Lowerings {
  // Coroutines that are still whole, or calls that resume some.
  bool coroutines = false;
  // Matrix intrinsics.
  bool matrices = false;
  // Questions about the type of a virtual table, which only a link of all tables can answer.
  bool type_tests = false;
  // Guards and widenable conditions of virtual machines.
  bool guards = false;

  bool any() const { return coroutines || matrices || type_tests || guards; }
};

// Costs the number of functions that the module names.
Lowerings findLowerings(const llvm::Module &module);

// Has calls of functions that look at their return address leave one: none becomes a jump.
void keepCallers(llvm::Module &module);

// The passes that lower it.
llvm::ModulePassManager loweringPasses(Lowerings what,
                                               llvm::OptimizationLevel level);

} // namespace rewire

#endif
