// Times what a loop does with a virtual function, with thread-local variables, and with a callback
// of the C library's, and prints nanoseconds each: the best of many short stretches, so that what
// else the machine does matters little. All was called before.
#include <cstdio>
#include <cstdlib>
#include <ctime>

static double now() {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e9 + time.tv_nsec;
}

template <typename Work> static double best_of(long stretches, long count, Work work) {
  work(count);
  double best = 1e30;
  for (long stretch = 0; stretch < stretches; stretch++) {
    double start = now();
    work(count);
    double time = now() - start;
    if (time < best)
      best = time;
  }
  return best / count;
}

struct Shape {
  long total = 0;
  virtual ~Shape() {}
  [[gnu::noinline]] virtual long step(long by) { return total += by; }
};

struct Other : Shape {
  [[gnu::noinline]] long step(long by) override { return total ^= by; }
};

[[gnu::noinline]] static long call_virtual(Shape **shapes, long count) {
  long sum = 0;
  for (long i = 0; i < count; i++) {
    Shape *shape = shapes[i & 1];
    sum += shape->step(i);
  }
  return sum;
}

// Its first use constructs it, so that each use looks at a flag, which IR names directly.
struct Counter {
  unsigned long count;
  [[gnu::noinline]] Counter() : count(1) {}
};
static thread_local Counter constructed;
static thread_local unsigned long plain;

[[gnu::noinline]] static void count_plain(long count) {
  for (long i = 0; i < count; i++) {
    plain += i;
    asm volatile("" ::: "memory");
  }
}

[[gnu::noinline]] static void count_constructed(long count) {
  for (long i = 0; i < count; i++) {
    constructed.count += i;
    asm volatile("" ::: "memory");
  }
}

static int order(const void *a, const void *b) {
  int x = *static_cast<const int *>(a), y = *static_cast<const int *>(b);
  return (x > y) - (x < y);
}

static int numbers[4096];

static void sort(long count) {
  unsigned state = 1;
  for (long i = 0; i < count; i++)
    numbers[i] = state = state * 1103515245 + 12345;
  qsort(numbers, count, sizeof(int), order);
}

int main(int argc, char **) {
  Shape a;
  Other b;
  Shape *shapes[] = {argc > 5 ? &b : &a, &b};
  long sum = 0;
  double called = best_of(400, 50000, [&](long count) { sum += call_virtual(shapes, count); });
  double counted = best_of(400, 50000, count_plain);
  double checked = best_of(400, 50000, count_constructed);
  double sorted = best_of(100, 4096, sort);
  printf("%ld %lu %lu %d\n", sum, plain, constructed.count, numbers[7]);
  printf("virtual %.4f\nlocal %.4f\nconstructed %.4f\nsort %.4f\n", called, counted, checked, sorted);
  return 0;
}
