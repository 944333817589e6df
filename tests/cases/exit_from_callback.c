// exit from the middle of a callback of qsort, several frames deep, with buffered output.
// EXIT: 21
#include <stdio.h>
#include <stdlib.h>

static int calls;
static void deep(int n) {
    if (n)
        deep(n - 1);
    else
        exit(20 + calls);
}
static int compare(const void *a, const void *b) {
    calls++;
    printf("compare\n");
    deep(5);
    return 0;
}
int main(void) {
    int v[] = {2, 1};
    qsort(v, 2, sizeof *v, compare);
    return 0;
}
