// SIGNAL: FPE
// Integer division by zero.
#include <stdio.h>
static volatile int zero;
int main(void) {
    puts("before");
    fflush(stdout);
    int r;
    __asm__ volatile("cltd\n\tidivl %2" : "=a"(r) : "0"(7), "m"(zero) : "edx", "cc");
    printf("%d\n", r);
    return 0;
}
