// What lies before a function's address.
#ifndef REWIRE_FRONT_H
#define REWIRE_FRONT_H

#include "llvm/IR/Function.h"

// Whether a function's address has to lead elsewhere than to its body, which may have been moved
// out.
bool rewire_needs_front(const llvm::Function &function);
// What a function's attributes and metadata put before its first instruction, as prefix data: null
// when that is nothing.
llvm::Constant *rewire_front_data(llvm::Function &function);
// Takes from a body what only its address has to have.
void rewire_drop_front(llvm::Function &body);
// Whether bodies of this bitcode may have metadata that puts something before them.
bool rewire_may_mark_functions(llvm::StringRef bitcode);

#endif
