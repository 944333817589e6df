// Labels that escape: kept in a global, compared, passed back in, and saved over many calls.
#include <stdio.h>

static void *saved;

__attribute__((noinline)) static int machine(void *resume) {
    static int visits;
    visits++;
    if (resume)
        goto *resume;
    saved = &&second;
    return visits;
second:
    saved = &&third;
    return 10 + visits;
third:
    saved = 0;
    return 100 + visits;
}

int main(void) {
    int total = 0;
    for (int i = 0; i < 9; i++)
        total = total * 2 + machine(saved);
    printf("%d\n", total);
    return 0;
}
