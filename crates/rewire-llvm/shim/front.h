// What lies before a function's address.
#ifndef REWIRE_FRONT_H
#define REWIRE_FRONT_H

#include "llvm/IR/Function.h"

namespace rewire {

// Whether a function's address has to lead elsewhere than to its body, which may have been moved
// out.
bool needsFront(const llvm::Function &function);
// What a function's attributes and metadata put before its first instruction, as prefix data: null
// when that is nothing.
llvm::Constant *frontData(llvm::Function &function);
// Takes from a body what only its address has to have.
void dropFront(llvm::Function &body);
// Whether bodies of this bitcode may have metadata that puts something before them.
bool mayMarkFunctions(llvm::StringRef bitcode);

} // namespace rewire

#endif
