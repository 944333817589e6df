// The other file of the C++ program: see cxx_program.cc.
#include "cxx_program.h"

static Noisy of_this_file("other's static");
thread_local Noisy per_thread("per thread");

int other_counts() { return counter(); }

void other_registers(const char *name) { Registry<int>::names.push_back(name); }

void other_throws(int kind) {
  Noisy local("thrower's local");
  switch (kind) {
  case 0: throw Failure("from the other file", 42);
  case 1: throw 17;
  case 2: throw static_cast<const char *>("a string");
  case 3: throw Both();
  default: throw kind * 0.5;
  }
}

int calls_back(int (*callback)(int), int value) {
  Noisy local("caller's local");
  return callback(value) + 1;
}

const Left &other_object() {
  static const Both object;
  return object;
}
