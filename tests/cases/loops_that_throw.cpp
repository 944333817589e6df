// Exceptions through loops that go on in an optimised body: thrown in it and caught in it, thrown
// through it with objects to be destroyed, and rethrown.
#include <cstdio>
#include <string>
#include <vector>

static int alive = 0;

struct Guard {
  int id;
  explicit Guard(int id) : id(id) { alive++; }
  ~Guard() { alive--; }
};

static int risky(int i) {
  if (i % 1000 == 999)
    throw i;
  if (i % 7777 == 7776)
    throw std::string("text ") + std::to_string(i);
  return i & 15;
}

static long inside(int n) {
  Guard whole(0);
  long sum = 0;
  for (int i = 0; i < n; i++) {
    Guard each(i);
    try {
      sum += risky(i);
    } catch (int number) {
      sum -= number;
    } catch (const std::string &text) {
      sum += (long)text.size();
    }
  }
  return sum + alive;
}

static long through(int from, int n) {
  Guard whole(1);
  std::vector<int> seen;
  for (int i = from; i < n; i++) {
    Guard each(i);
    seen.push_back(i & 3);
    if (i == n - 1)
      throw seen.size();
  }
  return 0;
}

static long again(int n) {
  long sum = 0;
  try {
    for (int i = 0; i < n; i++) {
      try {
        sum += i;
        if (i == n - 5)
          throw sum;
      } catch (long) {
        Guard kept(2);
        throw;
      }
    }
  } catch (long value) {
    return value + alive;
  }
  return -1;
}

template <typename Range> static long total(const Range &range) {
  long sum = 0;
  for (auto one : range)
    sum += one;
  return sum;
}

int main() {
  printf("%ld\n", inside(60000));
  try {
    through(0, 50000);
  } catch (size_t size) {
    printf("%zu %d\n", size, alive);
  }
  printf("%ld\n", again(40000));
  std::vector<long> numbers;
  for (long i = 0; i < 50000; i++)
    numbers.push_back(i * i);
  printf("%ld %d\n", total(numbers), alive);
  return 0;
}
