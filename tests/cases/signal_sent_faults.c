// Signals that faults raise otherwise are sent to a thread that calls functions for the first time:
// each reaches its handler, with what it was sent with.
// LINK: pthread
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
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

static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP};
static volatile int got, wrong, stop, expected_code, expected_signal;

static void handler(int s, siginfo_t *info, void *context) {
    if (s != expected_signal || info->si_signo != s || info->si_code != expected_code ||
        info->si_pid != getpid() || (info->si_code == SI_QUEUE && info->si_int != s * 100))
        wrong = 1 + s;
    __atomic_add_fetch(&got, 1, __ATOMIC_SEQ_CST);
}

static pthread_t receiver;
static void *sender(void *arg) {
    for (int i = 0; !stop || i < 24; i++) {
        int s = signals[i % 6], before = got;
        expected_signal = s;
        if (i / 6 % 3 == 0) {
            expected_code = SI_TKILL;
            pthread_kill(receiver, s);
        } else if (i / 6 % 3 == 1) {
            expected_code = SI_QUEUE;
            sigqueue(getpid(), s, (union sigval){.sival_int = s * 100});
        } else {
            expected_code = SI_USER;
            kill(getpid(), s);
        }
        while (got == before)
            usleep(50);
    }
    return 0;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    for (int i = 0; i < 6; i++)
        sigaction(signals[i], &action, 0);
    receiver = pthread_self();
    pthread_t t;
    pthread_create(&t, 0, sender, 0);
    int x = 0;
    for (int i = 0; i < COUNT; i++)
        x += table[i](1);
    stop = 1;
    pthread_join(t, 0);
    printf("%d %d %d\n", x, wrong, got >= 24);
    return 0;
}
