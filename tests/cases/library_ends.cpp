// What libraries and the program have for the end of the process comes in its order: those that the
// program is linked with, of which one needs the other, one that it opens and closes, and one that
// it leaves open. A library's object calls the program when all of the program's own are gone.
// SHARED: parts/ends_lower.cpp parts/ends_upper.cpp
// OPENED: parts/ends_closed.cpp parts/ends_open.cpp
// FILES: parts/ends_file.cpp
// EXIT: 4
#define FILE_IS "program"
#include "parts/ends.h"
#include <dlfcn.h>

extern "C" void upper_registers();
extern "C" void (*upper_calls)();

static int first_called_late(int x) { return x + 1; }
static void called_late() { std::printf("called by upper %d\n", first_called_late(2)); }

namespace {
struct Needs {
  Needs() { upper_registers(); }
  ~Needs() { std::puts("needs -"); }
} needs;
} // namespace

int main() {
  std::puts("main");
  upper_calls = called_late;
  void *closed = dlopen("libends_closed.so", RTLD_NOW);
  if (!closed || !dlopen("libends_open.so", RTLD_NOW)) {
    std::puts(dlerror());
    return 1;
  }
  reinterpret_cast<void (*)()>(dlsym(closed, "closed_registers"))();
  std::atexit([] { std::puts("program, from main"); });
  std::printf("closed %d\n", dlclose(closed));
  return 4;
}
