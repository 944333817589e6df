// Handlers are compiled when they are installed, with what they call: the signal may come while
// the program holds a lock that a compiler needs as well. Here nothing raises the signals, so what
// is compiled shows what installing compiles: by sigaction, by signal, and through variables.
// COMPILED: main by_sigaction helper deeper by_signal by_bsd with_info
// NOT-COMPILED: never
#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile sig_atomic_t got;
static void never(void) { got = 1; }
void deeper(int s) { got += s; }
void helper(int s) {
    if (s > 1000)
        deeper(s);
}
void by_sigaction(int s) { helper(s); }
void by_signal(int s) { deeper(s); }
void by_bsd(int s) { got = s; }
void with_info(int s, siginfo_t *info, void *context) { got = info != 0 && context != 0; }

int main(int argc, char **argv) {
    struct sigaction action, old;
    memset(&action, 0, sizeof action);
    action.sa_handler = by_sigaction;
    printf("%d\n", sigaction(SIGUSR1, &action, &old));
    printf("%d\n", old.sa_handler == SIG_DFL);
    void (*volatile handler)(int) = by_signal;
    printf("%d\n", signal(SIGUSR2, handler) == SIG_DFL);
    printf("%d\n", signal(SIGUSR2, SIG_DFL) == by_signal);
    __sighandler_t (*volatile set)(int, __sighandler_t) = ssignal;
    printf("%d\n", set(SIGALRM, by_bsd) == SIG_DFL);
    action.sa_sigaction = with_info;
    action.sa_flags = SA_SIGINFO;
    printf("%d\n", sigaction(SIGTERM, &action, 0));
    printf("%d\n", sigaction(SIGTERM, 0, &old));
    printf("%d %d\n", old.sa_sigaction == with_info, (old.sa_flags & SA_SIGINFO) != 0);
    printf("%d\n", sigaction(SIGKILL, &action, 0));
    printf("%d\n", signal(SIGINT, SIG_IGN) == SIG_DFL);
    if (argc > 10)
        never();
    return 0;
}
