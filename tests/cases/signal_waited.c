// Signals that all threads block are waited for by one of them: no other takes them away, though the
// others and threads of the engine's compile meanwhile.
// LINK: pthread
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
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

static sigset_t set;
static volatile int got, wrong, sent, stop;
static void *waiter(void *arg) {
    for (;;) {
        siginfo_t info;
        int s = sigwaitinfo(&set, &info);
        if (s == SIGTERM)
            return 0;
        if (s < 0 || info.si_int != sent)
            wrong++;
        __atomic_add_fetch(&got, 1, __ATOMIC_SEQ_CST);
    }
}
static void *sender(void *arg) {
    const int signals[] = {SIGSEGV, SIGABRT, SIGFPE, SIGUSR1};
    while (!stop || sent < 20) {
        int before = got, next = sent + 1;
        sent = next;
        sigqueue(getpid(), signals[next % 4], (union sigval){.sival_int = next});
        while (got == before)
            usleep(20);
    }
    return 0;
}

int main(void) {
    sigfillset(&set);
    pthread_sigmask(SIG_SETMASK, &set, 0);
    pthread_t w, s;
    pthread_create(&w, 0, waiter, 0);
    pthread_create(&s, 0, sender, 0);
    int x = 0;
    for (int i = 0; i < COUNT; i++)
        x += table[i](1);
    stop = 1;
    pthread_join(s, 0);
    kill(getpid(), SIGTERM);
    pthread_join(w, 0);
    sigset_t now;
    pthread_sigmask(SIG_BLOCK, 0, &now);
    printf("%d %d %d %d\n", x, wrong, got == sent,
           sigismember(&now, SIGSEGV) && sigismember(&now, SIGABRT) && sigismember(&now, SIGUSR1));
    return 0;
}
