// SIGNAL: TERM
// Death by a raised SIGTERM; what was flushed before stays.
#include <signal.h>
#include <stdio.h>
int main(void) {
    puts("before");
    fflush(stdout);
    raise(SIGTERM);
    puts("after");
    return 0;
}
