// What `sigaction` was given is kept for the signals that faults raise, while other threads call
// functions for the first time: mask, flags, and what is told of them.
// LINK: pthread
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define F(n) __attribute__((noinline)) static int f##n(int x) { return x + n; }
#define FS(n) F(n##0) F(n##1) F(n##2) F(n##3) F(n##4) F(n##5) F(n##6) F(n##7) F(n##8) F(n##9)
FS(1) FS(2) FS(3) FS(4) FS(5) FS(6)
#define N(n) f##n,
#define NS(n) N(n##0) N(n##1) N(n##2) N(n##3) N(n##4) N(n##5) N(n##6) N(n##7) N(n##8) N(n##9)
static int (*const table[])(int) = {NS(1) NS(2) NS(3) NS(4) NS(5) NS(6)};

static volatile int stop, compiled;
static void *compiling(void *arg) {
    for (int i = 0; i < 60; i++)
        compiled += table[i](1);
    stop = 1;
    return 0;
}

static volatile sig_atomic_t usual, within, depth, deepest, infos, on_stack;
static char stack[64 << 10];
static void other(int s) { usual++; }
static void masking(int s) {
    int before = usual;
    raise(SIGUSR1);
    within += usual != before;
}
static void nesting(int s) {
    if (++depth > deepest)
        deepest = depth;
    if (depth < 3)
        raise(s);
    depth--;
}
static void with_info(int s, siginfo_t *info, void *context) {
    char here;
    infos += info->si_signo == s && info->si_pid == getpid();
    on_stack += (uintptr_t)&here - (uintptr_t)stack < sizeof stack;
}
static void set(int s, void (*handler)(int), int flags) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags}, now;
    sigaddset(&action.sa_mask, SIGUSR1);
    sigaction(s, &action, 0);
    sigaction(s, 0, &now);
    const int told = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESETHAND | SA_RESTART;
    if (now.sa_handler != handler || (now.sa_flags & told) != flags ||
        !sigismember(&now.sa_mask, SIGUSR1))
        printf("%d is told wrong\n", s);
}

static sigjmp_buf back;
static void jumping(int s) { siglongjmp(back, s); }

int main(void) {
    struct sigaction now;
    sigaction(SIGTRAP, 0, &now);
    printf("untouched %d %#x\n", now.sa_handler == SIG_DFL, now.sa_flags);
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, 0);
    signal(SIGUSR1, other);
    pthread_t t;
    pthread_create(&t, 0, compiling, 0);
    int sent = 0;
    do {
        set(SIGTRAP, masking, 0);
        raise(SIGTRAP);
        set(SIGFPE, nesting, SA_NODEFER);
        raise(SIGFPE);
        set(SIGILL, (void (*)(int))with_info, SA_SIGINFO | SA_ONSTACK);
        raise(SIGILL);
        set(SIGBUS, (void (*)(int))with_info, SA_SIGINFO);
        raise(SIGBUS);
        set(SIGABRT, other, SA_RESETHAND | SA_RESTART);
        raise(SIGABRT);
        sigaction(SIGABRT, 0, &now);
        if (now.sa_handler != SIG_DFL)
            puts("not reset");
        sent++;
    } while (!stop || sent < 50);
    pthread_join(t, 0);
    printf("%d %d %d %d %d\n", usual == 2 * sent, within, deepest, infos == 2 * sent,
           on_stack == sent);
    // A fault, too, is blocked within its handler and not after it.
    set(SIGSEGV, jumping, 0);
    volatile int faults = 0;
    for (int i = 0; i < 3; i++)
        if (sigsetjmp(back, 1) == 0)
            *(volatile int *)(uintptr_t)8 = 1;
        else
            faults++;
    printf("%d %d\n", faults, compiled);
    return 0;
}
