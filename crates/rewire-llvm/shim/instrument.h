// Calls at the entries and exits of functions (`-finstrument-functions`).
#ifndef REWIRE_INSTRUMENT_H
#define REWIRE_INSTRUMENT_H

#include "llvm/IR/PassManager.h"

namespace rewire {

// Whether functions of the module ask for such calls.
bool asksForInstrumentation(const llvm::Module &module);
// Makes the calls. To be done before anything is inlined.
void instrument(llvm::Module &module, llvm::FunctionAnalysisManager &analyses);
// Has a function ask for none.
void dropInstrumentation(llvm::Function &function);

} // namespace rewire

#endif
