// A blocked signal stays pending over a first call, and comes when it is unblocked; sigwait
// takes it without a handler.
#include <signal.h>
#include <stdio.h>

static volatile int came;
static void handler(int s) { came++; }
static int first_called_while_blocked(void) { return came; }

int main(void) {
    sigset_t set, pending;
    signal(SIGUSR1, handler);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, 0);
    raise(SIGUSR1);
    printf("%d\n", first_called_while_blocked());
    sigpending(&pending);
    printf("%d\n", sigismember(&pending, SIGUSR1));
    sigprocmask(SIG_UNBLOCK, &set, 0);
    printf("%d\n", came);
    sigprocmask(SIG_BLOCK, &set, 0);
    raise(SIGUSR1);
    int got = 0;
    sigwait(&set, &got);
    printf("%d %d\n", got == SIGUSR1, came);
    return 0;
}
