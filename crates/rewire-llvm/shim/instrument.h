// Calls at the entries and exits of functions (`-finstrument-functions`).
#ifndef REWIRE_INSTRUMENT_H
#define REWIRE_INSTRUMENT_H

#include "llvm/IR/PassManager.h"

// Whether functions of the module ask for such calls.
bool rewire_instruments(const llvm::Module &module);
// Makes the calls. To be done before anything is inlined.
void rewire_instrument(llvm::Module &module, llvm::FunctionAnalysisManager &analyses);
// Has a function ask for none.
void rewire_drop_instrumentation(llvm::Function &function);

#endif
