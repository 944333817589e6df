// What of a function's attributes callers may rely on, whatever body it has.
#ifndef REWIRE_KEEP_H
#define REWIRE_KEEP_H

#include "llvm/IR/Attributes.h"

// The attributes that say how a function of so many parameters is called.
llvm::AttributeList keepAbi(llvm::LLVMContext &context, llvm::AttributeList from,
                            unsigned parameters);

#endif
