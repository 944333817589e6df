// Cleanup attributes in reverse order at the ends of scopes, at return, break and goto.
#include <stdio.h>

static int total;
static void note(const int *p) { printf("cleanup %d\n", *p); }
static void add(int *p) { total += *p; }

static int early(int n) {
    __attribute__((cleanup(note))) int a = n;
    if (n > 5)
        return a * 10;
    __attribute__((cleanup(note))) int b = n + 100;
    for (int i = 0; i < 3; i++) {
        __attribute__((cleanup(add))) int c = i;
        if (i == n)
            goto out;
    }
out:
    return a + b;
}
int main(void) {
    printf("%d\n", early(9));
    printf("%d\n", early(1));
    printf("%d\n", total);
    return 0;
}
