// One variable, brought by the objects of several functions; one of them works on several numbers at
// once, for which an optimiser would rather have them aligned.
typedef int four __attribute__((vector_size(16), aligned(4), may_alias));

struct numbers {
  int some[4];
  int last;
};

static char before = 1;
static struct numbers here = {{1, 2, 3}, 4};
static char between = 2;
static struct numbers there = {{5, 6, 7}, 8};
struct numbers elsewhere = {{9, 10, 11}, 12};
__attribute__((weak)) struct numbers anywhere = {{13, 14, 15}, 16};
static _Thread_local char own_before = 3;
static _Thread_local struct numbers own = {{17, 18, 19}, 20};

// These bring the variables at the alignment of an int.
__attribute__((noinline)) static int look(int which) {
  return which == 0 ? here.last + before : there.last + between + own_before;
}
__attribute__((noinline)) static int look_further(void) { return elsewhere.last + anywhere.last; }
__attribute__((noinline)) static int look_own(void) { return own.last; }

// These take four numbers at once.
__attribute__((noinline)) static void add(struct numbers *to) {
  *(four *)here.some += *(four *)there.some;
  *(four *)to->some = *(four *)here.some;
}
__attribute__((noinline)) static void spread(void) {
  *(four *)elsewhere.some = *(four *)anywhere.some ^ *(four *)here.some;
  *(four *)own.some += *(four *)elsewhere.some;
}

int main(int argc, char **argv) {
  struct numbers sum;
  if (argc > 5) {
    // Of a program that is compiled ahead, these come first.
    add(&sum);
    spread();
  }
  if (look(0) != 5 || look(1) != 13 || look_further() != 28 || look_own() != 20)
    return 1;
  for (int i = 0; i < 3; i++)
    add(&sum);
  spread();
  if (sum.some[0] != 16 || here.some[2] != 24)
    return 2;
  return elsewhere.some[1] == (14 ^ 20) && own.some[1] == 18 + (14 ^ 20) ? 0 : 3;
}
