// SIGNAL: SEGV
// Death by a wild write in a function that is called for the first time.
#include <stdio.h>
static int *volatile nowhere;
__attribute__((noinline)) static void crash(void) { *nowhere = 1; }
int main(void) {
    puts("before");
    fflush(stdout);
    crash();
    return 0;
}
