// Functions of another file that throw, catch and clean up, copied into callers that do so too.
// FILES: parts/across_throws_2.cpp
#include "parts/across_throws.h"
#include <cstdio>

namespace {
struct Guard {
  int n;
  ~Guard() { left += n; }
};
int tried(int n) {
  Guard guard{1};
  try {
    return checked(n);
  } catch (const Odd &odd) {
    return -odd.n;
  }
}
} // namespace

int main() {
  long total = 0;
  const Shape *shapes[] = {square(), round()};
  for (int i = 0; i < 4000; i++) {
    total += tried(i);
    total += guarded(i);
    total += shapes[i & 1]->area(i % 10);
    total += largest(i, 100);
    try {
      total += passed(i);
    } catch (int n) {
      total -= n;
    }
  }
  std::printf("%ld %ld %d\n", total, left, made());
}
