#include <cstdio>

extern "C" int nowhere(int);

struct Loud {
  ~Loud() { std::puts("destroyed"); }
};

static int inner(int x) {
  Loud loud;
  if (x > 5) throw x;
  return nowhere(x) + 1;
}

extern "C" int takes_all(int x) {
  try {
    return inner(x);
  } catch (...) {
    return -1;
  }
}

extern "C" int throws_nothing(int x) noexcept {
  Loud loud;
  return takes_all(x);
}

extern "C" int passes_on(int x) {
  Loud loud;
  try {
    return throws_nothing(x);
  } catch (...) {
    std::puts("passed on");
    throw;
  }
}
