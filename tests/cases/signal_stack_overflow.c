// A stack that overflows ends the process with SIGSEGV; with a handler on an alternate stack, the
// program can tell.
// SIGNAL: SEGV
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char other[65536];
static void handler(int s) {
    static const char text[] = "overflow handled\n";
    write(1, text, sizeof text - 1);
    _exit(7);
}
__attribute__((noinline)) static int deep(int n) {
    volatile char frame[1000];
    frame[n % 1000] = (char)n;
    return deep(n + 1) + frame[n % 1000];
}
int main(void) {
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        stack_t stack = {other, 0, sizeof other};
        sigaltstack(&stack, 0);
        struct sigaction a;
        memset(&a, 0, sizeof a);
        a.sa_handler = handler;
        a.sa_flags = SA_ONSTACK;
        sigaction(SIGSEGV, &a, 0);
        _exit(deep(1));
    }
    int status;
    waitpid(pid, &status, 0);
    printf("%d\n", WIFEXITED(status) && WEXITSTATUS(status) == 7);
    fflush(stdout);
    return deep(1);
}
