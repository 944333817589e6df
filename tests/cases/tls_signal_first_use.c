// A signal handler uses a thread-local variable for the first time while the thread itself is doing
// so: both have the same one, whenever the signal comes.
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>

static _Thread_local struct {
    long count;
    char large[24 << 20];
} local = {0, {1}};
static volatile long total;

static void tick(int s) {
    local.count++;
    total++;
}

int main(void) {
    struct itimerval t = {{0, 300}, {0, 300}};
    signal(SIGALRM, tick);
    setitimer(ITIMER_REAL, &t, 0);
    local.large[5] = 1;
    while (total < 20)
        ;
    t = (struct itimerval){{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &t, 0);
    printf("%d %d %d\n", local.count == total, local.large[0], local.large[5]);
    return 0;
}
