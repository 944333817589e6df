// Counted loops that hold copies of other functions, of lengths about those after which such a loop
// asks whether a copy is stale: each does just its passes, whichever exit it is left by.
#include <stdio.h>

enum { MOST = 3 * 4096 + 2 };

static long cells[MOST];
static const int lengths[] = {0,    1,    2,    3,    7,    63,   64,   65,       4095,    4096,
                              4097, 4098, 8191, 8192, 8193, 8194, 12287, 12288, 12289, MOST};

static long mix(long x, long i) { return x * 3 + i; }

static long fill(long i) { return (i * 7) % 11; }

static int is_wanted(long cell, long wanted) { return cell == wanted; }

// Asks before each pass whether there is one.
static void before(int n) {
  for (int i = 0; i < n; i++)
    cells[i] = fill(i);
}

// Asks after each pass whether there is another.
static void after(int n) {
  int i = 0;
  do
    cells[i] += mix(cells[i], i);
  while (++i < n);
}

// What the passes add up to is alive after the loop, as is where it ended.
static long sum(int n, int *end) {
  long all = 0;
  int i = n;
  while (i > 0) {
    i--;
    all = mix(all, cells[i]) & 0xffffffff;
  }
  *end = i;
  return all;
}

// Two exits, of which one depends on what is read.
static int find(int n, long wanted) {
  int i;
  for (i = 0; i < n; i++)
    if (is_wanted(cells[i], wanted))
      break;
  return i;
}

// Steps of more than one, and what is written where the loop ends.
static int steps(int n) {
  int i = 0;
  for (; i < n; i += 3)
    cells[i] = mix(cells[i], 1);
  cells[0] += i;
  return i;
}

static long nested(int n) {
  long all = 0;
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < n; j++)
      all += mix(cells[j], i);
  return all;
}

int main(void) {
  for (int round = 0; round < 40; round++) {
    unsigned long all = 0;
    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
      const int n = lengths[i];
      int end = -1;
      before(n);
      after(n);
      const int behind = steps(n);
      const int at = find(n, -1), first = find(n, cells[n / 2]);
      all = all * 31 + sum(n, &end) + nested(n);
      all = all * 31 + end + at + first + behind;
      if (round == 0 || round == 39)
        printf("%d: %lu %d %d %d %d\n", n, all, end, at, first, behind);
    }
  }
  return 0;
}
