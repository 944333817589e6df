// Handlers given to sigaction, signal and through a variable, never called before the signal
// comes; the handler calls a function that nothing called before.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t got, info_signal, depth;
static void helper(int s) { got += s * 100; }
static void plain(int s) {
    helper(s);
    errno = 0;
}
static void with_info(int s, siginfo_t *info, void *context) {
    info_signal = info->si_signo == s && context != 0 && info->si_pid == getpid();
}
static void nested(int s) {
    if (depth++ < 3)
        raise(SIGUSR2);
}

int main(void) {
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_handler = plain;
    sigaction(SIGUSR1, &a, 0);
    errno = 5;
    raise(SIGUSR1);
    printf("%d %d\n", got == SIGUSR1 * 100, errno);

    a.sa_sigaction = with_info;
    a.sa_flags = SA_SIGINFO;
    sigaction(SIGUSR1, &a, 0);
    kill(getpid(), SIGUSR1);
    printf("%d\n", info_signal);

    void (*volatile handler)(int) = nested;
    a.sa_handler = handler;
    a.sa_flags = SA_NODEFER;
    sigaction(SIGUSR2, &a, 0);
    raise(SIGUSR2);
    printf("%d\n", depth);

    printf("%d\n", signal(SIGTERM, plain) == SIG_DFL);
    raise(SIGTERM);
    printf("%d\n", got == (SIGUSR1 + SIGTERM) * 100);
    printf("%d\n", signal(SIGTERM, SIG_IGN) == plain);
    raise(SIGTERM);
    return 0;
}
