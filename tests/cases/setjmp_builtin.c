// __builtin_setjmp and __builtin_longjmp: the back end's own, with no library call.
#include <stdio.h>

static void *buffer[5];

__attribute__((noinline)) static void jump(int n) {
    if (n)
        jump(n - 1);
    else
        __builtin_longjmp(buffer, 1);
}

__attribute__((noinline)) static int caught(int n) {
    volatile int kept = n;
    if (__builtin_setjmp(buffer) == 0) {
        kept++;
        jump(4);
    }
    return kept;
}

int main(void) {
    printf("%d\n", caught(3));
    printf("%d\n", caught(30));
    return 0;
}
