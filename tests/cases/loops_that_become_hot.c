// Loops that run long enough to go on in an optimised body, with all kinds of values alive at
// their heads: results stay those of a native build.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MANY = 60000 };

struct pair {
  long a;
  double b;
};

struct large {
  int parts[12];
};

static unsigned next(unsigned x) { return x * 1664525u + 1013904223u; }

static void bump(int *at, int by) { *at += by; }

// A local whose address others have, beside locals that nobody else can name.
static int captured(void) {
  int seen = 1, own = 2, table[8] = {0};
  int *at = &seen;
  for (int i = 0; i < MANY; i++) {
    bump(at, i & 3);
    own ^= seen + i;
    table[i & 7] += own;
  }
  for (int i = 0; i < 8; i++)
    own = own * 31 + table[i];
  return own + *at;
}

// The inner loop becomes hot while the outer one is under way, and the other way round.
static unsigned nested(unsigned x) {
  unsigned sum = 0;
  for (int i = 0; i < 300; i++) {
    unsigned outer = next(x + i);
    for (int j = 0; j < 400; j++) {
      if ((outer + j) % 7 == 3)
        continue;
      sum += outer ^ (unsigned)j;
      if (sum % 100003 == 1)
        break;
    }
    x ^= outer;
  }
  return sum + x;
}

static struct pair both(long n) {
  struct pair result = {0, 1};
  long double long_one = 1;
  __int128 wide = 1;
  float small = 0.5f;
  for (long i = 0; i < n; i++) {
    result.a += i * 3;
    result.b = result.b * 0.999 + (double)i;
    long_one += 1.0L / (i + 1);
    wide = wide * 3 + i;
    small = small / 2 + 1;
  }
  result.a += (long)(wide >> 64) + (long)long_one;
  result.b += small;
  return result;
}

static struct large by_memory(struct large given, int n) {
  struct large result = {{0}};
  for (int i = 0; i < n; i++)
    result.parts[i % 12] += given.parts[(i * 7) % 12]++;
  return result;
}

// An interpreter that jumps by a table of labels.
static long interpret(const unsigned char *code, int rounds) {
  static const void *const table[] = {&&add, &&mul, &&sub, &&back, &&end};
  long value = 1;
  int at = 0;
  goto *table[code[at]];
add:
  value += at + 3;
  goto *table[code[++at]];
mul:
  value = (value * 5) & 0xffffff;
  goto *table[code[++at]];
sub:
  value -= 11;
  goto *table[code[++at]];
back:
  if (--rounds > 0)
    at = -1;
  goto *table[code[++at]];
end:
  return value;
}

static int varied(int n, ...) {
  va_list list;
  va_start(list, n);
  int sum = 0;
  for (int i = 0; i < n; i++)
    sum += va_arg(list, int);
  for (int i = 0; i < MANY; i++)
    sum = sum * 3 + i;
  va_end(list);
  return sum;
}

static int sized(int n) {
  int sum = 0;
  for (int round = 0; round < 40; round++) {
    int numbers[n];
    for (int i = 0; i < n; i++)
      numbers[i] = i * round;
    for (int i = 0; i < n; i++)
      sum += numbers[(i * 13) % n];
  }
  return sum;
}

static int jumps(void) {
  static jmp_buf here;
  volatile int rounds = 0;
  setjmp(here);
  for (int i = 0; i < 30000; i++)
    rounds++;
  if (rounds < 100000)
    longjmp(here, 1);
  return rounds;
}

typedef int four __attribute__((vector_size(16)));

static int vectors(void) {
  four sum = {1, 2, 3, 4};
  for (int i = 0; i < MANY; i++)
    sum = sum * 3 + (four){i, i, 1, 2};
  return sum[0] ^ sum[1] ^ sum[2] ^ sum[3];
}

static int choose(int n) {
  int state = 0, sum = 0;
  for (;;) {
    switch (state) {
    case 0:
      sum += 2;
      state = sum & 1 ? 2 : 1;
      break;
    case 1:
      sum ^= 5;
      state = 2;
      break;
    case 2:
      if (--n == 0)
        return sum;
      state = n % 3;
      break;
    }
  }
}

// Called often, each time with a loop that is short.
static int often(int n) {
  int sum = 0;
  while (n > 0)
    sum += n--;
  return sum;
}

int main(void) {
  printf("%d\n", captured());
  printf("%u\n", nested(7));
  struct pair pair = both(MANY);
  printf("%ld %.6f\n", pair.a, pair.b);
  struct large given;
  for (int i = 0; i < 12; i++)
    given.parts[i] = i * i;
  struct large large = by_memory(given, MANY);
  for (int i = 0; i < 12; i++)
    printf("%d ", large.parts[i]);
  puts("");
  const unsigned char code[] = {0, 1, 2, 0, 3, 4};
  printf("%ld %ld\n", interpret(code, 30000), interpret(code, 5));
  printf("%d\n", varied(3, 4, 5, 6));
  printf("%d\n", sized(1000));
  printf("%d\n", jumps());
  printf("%d\n", vectors());
  printf("%d\n", choose(90000));
  int sum = 0;
  for (int i = 0; i < 30000; i++)
    sum ^= often(i % 9) + i;
  printf("%d\n", sum);
  return 0;
}
