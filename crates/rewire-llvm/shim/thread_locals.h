// Thread-local variables, before the IR passes.
#ifndef REWIRE_THREAD_LOCALS_H
#define REWIRE_THREAD_LOCALS_H

#include "llvm/IR/Module.h"

namespace rewire {

// Makes each use of a thread-local variable a use of llvm.threadlocal.address, as front ends write
// it. Where the variable itself is named, code generation calls __tls_get_addr at each use, in
// loops too; a call of the intrinsic leaves the loop and is shared. True if anything was changed.
bool useThreadLocalAddresses(llvm::Module &module);

} // namespace rewire

#endif
