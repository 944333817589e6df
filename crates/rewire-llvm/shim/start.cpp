// Runs the constructors of LLVM's static objects in programs whose linker has gathered them.

#include "shim.h"

extern "C" {
using Constructor = void (*)();
// Defined by a program's linker script; null in other programs, where the constructors have run
// before `main`. Hidden, so that no shared library's symbols are taken for them.
[[gnu::weak, gnu::visibility("hidden")]] extern const Constructor rewire_llvm_constructors[];
[[gnu::weak, gnu::visibility("hidden")]] extern const Constructor rewire_llvm_constructors_end[];
}

void rewire_construct(void) {
  for (const Constructor *next = rewire_llvm_constructors; next != rewire_llvm_constructors_end;
       ++next)
    (*next)();
}
