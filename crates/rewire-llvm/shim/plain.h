// Functions for which code generation at level 0 has little to do, which are most of them.
//
// LLVM's pipeline has some seventy passes. Most look for what few functions hold (atomics, vectors,
// exceptions, garbage collection, hardening) and find nothing; on a function of a few instructions
// they, and keeping their analyses apart, take most of the time. A second pipeline leaves them out
// and gets the functions that hold none of it.
#ifndef REWIRE_PLAIN_H
#define REWIRE_PLAIN_H

#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/Pass.h"

// Whether every body of a module is plain: what it holds and is asked for is among the things that
// the passes left out don't care about. Whatever isn't known here isn't plain. Costs the number of
// instructions.
bool rewire_is_plain(const llvm::Module &module);

// Takes the passes of a pipeline at level 0 and drops those that do nothing for plain functions.
// A pass that LLVM calls otherwise by now is kept, which is slower and never wrong.
class RewirePlainPasses : public llvm::legacy::PassManagerBase {
public:
  explicit RewirePlainPasses(llvm::legacy::PassManager &kept) : kept(kept) {}
  void add(llvm::Pass *pass) override;

private:
  llvm::legacy::PassManager &kept;
};

#endif
