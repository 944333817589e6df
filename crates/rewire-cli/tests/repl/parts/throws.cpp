#include <cstdio>
#include <stdexcept>
#include <string>

struct Loud {
  ~Loud() { std::puts("destroyed"); }
};

struct Other {};

extern "C" int missing();

extern "C" int checked(int x) {
  Loud loud;
  if (x > 3) throw std::out_of_range("too big: " + std::to_string(x));
  if (x < 0) throw Other();
  if (x == 2) throw 2;
  return x;
}

extern "C" int caught(int x) {
  try {
    return checked(x);
  } catch (const std::exception &e) {
    std::puts(e.what());
    return -1;
  }
}

extern "C" int calls_missing() {
  Loud loud;
  return missing();
}
