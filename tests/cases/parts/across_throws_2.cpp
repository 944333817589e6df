#include "across_throws.h"
#include <stdexcept>

long left;

namespace {
int count;
struct Counted {
  Counted() { count++; }
  ~Counted() { left++; }
};
struct Square : Shape {
  int area(int side) const override { return side * side; }
};
struct Round : Shape {
  int area(int side) const override { return 3 * side * side; }
};
const Square the_square;
const Round the_round;
} // namespace

int made() { return count + largest(1, 2); }
const Shape *square() { return &the_square; }
const Shape *round() { return &the_round; }

int checked(int n) {
  Counted counted;
  if (n % 7 == 3)
    throw Odd{n};
  return n;
}

int guarded(int n) {
  try {
    Counted counted;
    if (n % 11 == 0)
      throw std::runtime_error("eleven");
    return checked(n) + 1;
  } catch (const std::exception &) {
    return 11;
  } catch (const Odd &odd) {
    return odd.n / 2;
  }
}

int passed(int n) {
  Counted counted;
  if (n % 5 == 1)
    throw n;
  return n & 3;
}
