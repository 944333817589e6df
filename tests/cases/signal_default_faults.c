// What faults and signals like theirs do to a process that has no handler, ignores them, or executes
// another program: each in a child that has called functions for the first time.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP};

static void by_raise(int s) { raise(s); }
static void by_kill(int s) { kill(getpid(), s); }
static void by_queue(int s) { sigqueue(getpid(), s, (union sigval){0}); }
static void by_fault(int s) {
    switch (s) {
    case SIGSEGV: *(volatile int *)8 = 1; break;
    case SIGILL: __asm__ volatile("ud2"); break;
    case SIGFPE: __asm__ volatile("div %0" : : "r"(0L), "a"(1L), "d"(0L)); break;
    case SIGABRT: abort();
    case SIGTRAP: __asm__ volatile("int3"); break;
    default: raise(s);
    }
}
static void again(int s) {
    // Once: then as by default.
    signal(s, SIG_DFL);
}
static void returns(int s) { write(1, "handled\n", 8); }

static int ending(void (*how)(int), int s, void (*handler)(int)) {
    fflush(stdout);
    pid_t child = fork();
    int status;
    if (child == 0) {
        signal(s, handler);
        how(s);
        _exit(3);
    }
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int main(void) {
    void (*const ways[])(int) = {by_raise, by_kill, by_queue, by_fault};
    for (int i = 0; i < 6; i++) {
        int s = signals[i];
        for (int w = 0; w < 4; w++)
            printf("%d ", ending(ways[w], s, SIG_DFL));
        printf("%d %d ", ending(by_raise, s, SIG_IGN), ending(by_fault, s, SIG_IGN));
        printf("%d\n", ending(by_fault, s, again));
    }
    printf("%d\n", ending(by_fault, SIGABRT, returns));

    // What is ignored stays so in what is executed, and nothing else does.
    signal(SIGFPE, SIG_IGN);
    signal(SIGTRAP, returns);
    fflush(stdout);
    system("kill -FPE $$; echo lives; kill -TRAP $$; echo dies");

    // A child that shares the memory and not the handlers.
    pid_t child = vfork();
    if (child == 0) {
        signal(SIGTRAP, SIG_IGN);
        signal(SIGSEGV, returns);
        execl("/bin/true", "true", (char *)0);
        _exit(1);
    }
    waitpid(child, 0, 0);
    fflush(stdout);
    raise(SIGTRAP);
    printf("%d\n", signal(SIGSEGV, SIG_DFL) == SIG_DFL);
    return 0;
}
