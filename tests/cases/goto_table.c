// Computed goto: a static table of labels in an interpreter's loop, a table of label
// differences, and a table in a function that is entered again by recursion.
#include <stdio.h>

static int run(const char *code, int depth) {
    static const void *const table[] = {&&op_add, &&op_mul, &&op_call, &&op_end};
    int acc = depth;
    goto *table[(int)*code++];
op_add:
    acc += 3;
    goto *table[(int)*code++];
op_mul:
    acc *= 2;
    goto *table[(int)*code++];
op_call:
    if (depth < 3)
        acc += run(code, depth + 1);
    goto *table[(int)*code++];
op_end:
    return acc;
}

static int relative(int i) {
    static const int offsets[] = {&&a - &&a, &&b - &&a, &&c - &&a};
    goto *(&&a + offsets[i]);
a:
    return 100;
b:
    return 200;
c:
    return 300;
}

int main(void) {
    printf("%d\n", run("\0\1\0\2\1\3", 0));
    printf("%d\n", run("\1\1\3", 5));
    printf("%d %d %d\n", relative(0), relative(1), relative(2));
    return 0;
}
