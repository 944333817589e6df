// Reading bodies, for the shim's files.
#ifndef REWIRE_READ_H
#define REWIRE_READ_H

#include "index.h"
#include <string>

// Reads the body of a function where it isn't read yet, and verifies it where that wasn't done.
// False on failure.
bool rewire_read_body(RewireIndex &index, llvm::Function &function, std::string &error);

// The same without verifying it.
bool rewire_read_unverified(RewireIndex &index, llvm::Function &function, std::string &error);

#endif
