// Before `main`, each signal has its default action, none is blocked, and no alternate stack
// is installed, as in a native process.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
int main(void) {
    for (int s = 1; s < 32; s++) {
        struct sigaction a;
        if (sigaction(s, 0, &a) == 0 && a.sa_handler != SIG_DFL)
            printf("signal %d has a handler\n", s);
    }
    sigset_t now;
    sigprocmask(SIG_BLOCK, 0, &now);
    printf("empty %d\n", sigisemptyset(&now));
    stack_t st;
    sigaltstack(0, &st);
    printf("alternate stack %s\n", st.ss_flags & SS_DISABLE ? "none" : "installed");
    return 0;
}
