#define FILE_IS "upper"
#include "ends.h"

extern "C" void lower_registers();
extern "C" void (*upper_calls)();
void (*upper_calls)();

extern "C" void upper_registers() {
  std::atexit([] { std::puts("upper, called by another"); });
  lower_registers();
}

namespace {
struct Caller {
  Caller() { upper_registers(); }
  ~Caller() {
    if (upper_calls)
      upper_calls();
  }
} caller;
} // namespace
