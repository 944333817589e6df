// What a file of a program or of a library has for its end: each kind of function says its name.
#include <cstdio>
#include <cstdlib>

extern "C" int __cxa_atexit(void (*function)(void *), void *argument, void *handle);

#define SAY(what) static void what() { std::puts(FILE_IS " " #what); }
SAY(exit_function)
SAY(late_exit_function)

#ifndef IS_CLOSED
static void nobodys(void *) { std::puts(FILE_IS " nobody's"); }
#endif

namespace {
struct Object {
  Object() {
    std::puts(FILE_IS " object +");
    std::atexit(exit_function);
#ifndef IS_CLOSED
    __cxa_atexit(nobodys, nullptr, nullptr);
#endif
  }
  ~Object() {
    std::puts(FILE_IS " object -");
    std::atexit(late_exit_function);
  }
} object;
} // namespace

__attribute__((constructor)) static void constructor() { std::puts(FILE_IS " constructor"); }
__attribute__((destructor)) static void destructor() { std::puts(FILE_IS " destructor"); }
