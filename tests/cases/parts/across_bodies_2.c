#include <string.h>

struct triple {
  long a, b, c;
};

int callback(int x);

static int count;
static const int table[5] = {10, 20, 30, 40, 50};
static const char *const words[] = {"none", "one", "two", "three"};
static __thread int own = 5;
int shared;
const int limits[4] = {1, -1, 100, -100};

static int helper(int x) { return x * 2 + count % 3; }
static int other(int x) { return x - 1; }
static int (*const functions[3])(int) = {helper, other, callback};

int next(void) { return ++count; }
int lookup(int i) { return table[i % 5] + helper(i); }
const char *word(int i) { return strlen(words[i]) > 3 ? words[i] : words[i] + 0; }
int through(int which, int x) { return functions[which % 3](x); }
int *place(void) { return &own; }
long sum(struct triple t) { return t.a + 10 * t.b + 100 * t.c; }
struct triple turned(struct triple t) {
  struct triple r = {t.b, t.c, t.a};
  return r;
}
int deep(int x) { return x <= 1 ? callback(x) : deep(x - 1) + deep(x - 2); }
