#define FILE_IS "lower"
#include "ends.h"

extern "C" void lower_registers() {
  std::atexit([] { std::puts("lower, called by another"); });
}
