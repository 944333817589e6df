// A handler on the alternate stack calls functions for the first time, and is interrupted by signals
// whose handler is to run on that stack as well: its frames stay as they were.
// LINK: pthread
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define F(n) __attribute__((noinline)) static int f##n(int x) { return x + n; }
#define FS(n) F(n##0) F(n##1) F(n##2) F(n##3) F(n##4) F(n##5) F(n##6) F(n##7) F(n##8) F(n##9)
#define FSS(n) FS(n##0) FS(n##1) FS(n##2) FS(n##3) FS(n##4) FS(n##5)
FSS(1) FSS(2)
#define N(n) f##n,
#define NS(n) N(n##0) N(n##1) N(n##2) N(n##3) N(n##4) N(n##5) N(n##6) N(n##7) N(n##8) N(n##9)
#define NSS(n) NS(n##0) NS(n##1) NS(n##2) NS(n##3) NS(n##4) NS(n##5)
static int (*const table[])(int) = {NSS(1) NSS(2)};
enum { COUNT = sizeof table / sizeof *table };

static char *stack;
enum { SIZE = 128 << 10 };
static volatile sig_atomic_t elsewhere, nested, stop;
static void inner(int s) {
    char here[256];
    for (int i = 0; i < 256; i++)
        ((volatile char *)here)[i] = s;
    if ((uintptr_t)here - (uintptr_t)stack >= SIZE)
        elsewhere = 1;
    nested++;
}
static volatile int sum, changed;
static void outer(int s) {
    volatile long words[2000];
    for (int i = 0; i < 2000; i++)
        words[i] = i;
    for (int i = 0; i < COUNT; i++)
        sum += table[i](1);
    // One more while nothing is compiled.
    raise(SIGABRT);
    for (int i = 0; i < 2000; i++)
        changed += words[i] != i;
}
static pthread_t receiver;
static void *sender(void *arg) {
    while (!stop) {
        int before = nested;
        pthread_kill(receiver, SIGABRT);
        while (nested == before && !stop)
            usleep(20);
    }
    return 0;
}

int main(void) {
    stack = malloc(SIZE);
    stack_t alternate = {.ss_sp = stack, .ss_size = SIZE};
    sigaltstack(&alternate, 0);
    struct sigaction action = {.sa_handler = inner, .sa_flags = SA_ONSTACK};
    sigaction(SIGABRT, &action, 0);
    action.sa_handler = outer;
    sigaction(SIGUSR1, &action, 0);
    receiver = pthread_self();
    pthread_t t;
    pthread_create(&t, 0, sender, 0);
    while (nested == 0)
        ;
    raise(SIGUSR1);
    stop = 1;
    pthread_join(t, 0);
    stack_t now;
    sigaltstack(0, &now);
    printf("%d %d %d %d\n", sum, changed, elsewhere, now.ss_sp == stack && now.ss_flags == 0);
    return 0;
}
