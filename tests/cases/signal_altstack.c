// A handler on an alternate stack that leaves by siglongjmp, after a fault and after a stack
// overflow.
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sigjmp_buf back;
static char *alternate;
static volatile int on_alternate;

static void handler(int s, siginfo_t *info, void *context) {
    char here;
    on_alternate = &here >= alternate && &here < alternate + 65536;
    siglongjmp(back, s);
}
__attribute__((noinline)) static int overflow(volatile char *p) {
    volatile char big[4096];
    big[0] = p ? p[0] : 1;
    return overflow(big) + big[0];
}
static int *volatile nowhere;

int main(void) {
    stack_t st;
    memset(&st, 0, sizeof st);
    alternate = malloc(65536);
    st.ss_sp = alternate;
    st.ss_size = 65536;
    sigaltstack(&st, 0);
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_sigaction = handler;
    a.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &a, 0);

    int s = sigsetjmp(back, 1);
    if (s == 0)
        *nowhere = 1;
    printf("fault %d %d\n", s == SIGSEGV, on_alternate);
    on_alternate = 0;
    s = sigsetjmp(back, 1);
    if (s == 0)
        printf("%d\n", overflow(0));
    printf("overflow %d %d\n", s == SIGSEGV, on_alternate);
    return 0;
}
