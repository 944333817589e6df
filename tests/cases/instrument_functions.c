// Calls at the entry and exit of each function, those that are inlined included; each is told its
// function's address and who called it.
// FLAGS: -finstrument-functions
// EXIT: 0
#include <stdio.h>

#define QUIET __attribute__((no_instrument_function))

static int work(int depth);
static int compare(const void *a, const void *b);
int shared(int x) { return x + 1; }
static inline __attribute__((always_inline)) int inlined(int x) { return x * 2; }
extern inline __attribute__((gnu_inline, always_inline)) int only_inlined(int x) { return x * 3; }

QUIET static void note(const char *what, void *function) {
    const char *name = function == (void *)work      ? "work"
                       : function == (void *)shared  ? "shared"
                       : function == (void *)inlined ? "inlined"
                       : function == (void *)compare ? "compare"
                                                     : "another";
    printf("%s %s\n", what, name);
}

static void *last_caller;
QUIET void __cyg_profile_func_enter(void *function, void *caller) {
    note("enter", function);
    last_caller = caller;
}
QUIET void __cyg_profile_func_exit(void *function, void *caller) {
    note(caller ? "leave" : "leave for nowhere", function);
}

static int work(int depth) { return depth ? work(depth - 1) + inlined(depth) : shared(depth); }

static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

void qsort(void *, unsigned long, unsigned long, int (*)(const void *, const void *));

QUIET int main(void) {
    int pair[2] = {2, 1};
    printf("%d\n", work(2));
    qsort(pair, 2, sizeof(int), compare);
    printf("%d %d %d\n", pair[0], only_inlined(4), last_caller != 0);
    return 0;
}
