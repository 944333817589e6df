// The passes of code generation at level 0, without those that do nothing for plain functions
// (plain.h).
#ifndef REWIRE_FAST_PASSES_H
#define REWIRE_FAST_PASSES_H

#include "llvm/IR/LegacyPassManager.h"
#include "llvm/Pass.h"

namespace rewire {

// Takes the passes of a pipeline and adds those that are needed to `kept`. Passes are known by
// their names: one that another LLVM names otherwise is kept, which is slower and never wrong.
class NeededPasses : public llvm::legacy::PassManagerBase {
public:
  explicit NeededPasses(llvm::legacy::PassManager &kept) : kept(kept) {}
  void add(llvm::Pass *pass) override;

private:
  llvm::legacy::PassManager &kept;
};

} // namespace rewire

#endif
