// Reading bodies, for the shim's files.
#ifndef REWIRE_READ_H
#define REWIRE_READ_H

#include "index.h"
#include <string>

namespace rewire {

// Reads the body of a function where it isn't read yet, and verifies it where that wasn't done.
// False on failure.
bool readBody(RewireIndex &index, llvm::Function &function, std::string &error);

// The same without verifying it.
bool readUnverified(RewireIndex &index, llvm::Function &function, std::string &error);

} // namespace rewire

#endif
