// Small functions of another file, which the optimiser copies into this one: with that file's
// static variables, tables, strings and functions, under the names that this file has too.
// FILES: parts/across_bodies_2.c
#include <stdio.h>

struct triple {
  long a, b, c;
};
int next(void);
int lookup(int i);
const char *word(int i);
int through(int which, int x);
int *place(void);
long sum(struct triple t);
struct triple turned(struct triple t);
int deep(int x);
extern int shared;
extern const int limits[4];

static int count = 1000;
static int table[3] = {7, 8, 9};
static int helper(int x) { return x + table[x % 3]; }

int callback(int x) { return helper(x) + shared; }

int main(void) {
  long total = 0;
  for (int i = 0; i < 3000; i++) {
    total += next() * 3 + lookup(i) - count;
    total += through(i, i) + limits[i & 3];
    *place() += i & 1;
    struct triple t = {i, 2 * i, 3};
    total += sum(turned(t)) + deep(i % 7);
    shared += i % 5 == 0;
    if (i % 1000 == 0)
      printf("%s %d %ld\n", word(i / 1000), next(), total);
  }
  printf("%ld %d %d %d\n", total, next(), *place(), shared);
  return 0;
}
