// A thread that may be cancelled at any instruction is cancelled while it calls functions for the
// first time, with handlers of its cleanup that are called for the first time as well.
// FLAGS: -fexceptions
// LINK: pthread
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define F(n) __attribute__((noinline)) static int f##n(int x) { return x + n; }
#define FS(n) F(n##0) F(n##1) F(n##2) F(n##3) F(n##4) F(n##5) F(n##6) F(n##7) F(n##8) F(n##9)
#define FSS(n) FS(n##0) FS(n##1) FS(n##2) FS(n##3) FS(n##4) FS(n##5)
FSS(1) FSS(2) FSS(3)
#define N(n) f##n,
#define NS(n) N(n##0) N(n##1) N(n##2) N(n##3) N(n##4) N(n##5) N(n##6) N(n##7) N(n##8) N(n##9)
#define NSS(n) NS(n##0) NS(n##1) NS(n##2) NS(n##3) NS(n##4) NS(n##5)
static int (*const table[])(int) = {NSS(1) NSS(2) NSS(3)};
enum { COUNT = sizeof table / sizeof *table };

static int next, cleaned;
static int call_next(void) { return table[__atomic_fetch_add(&next, 1, __ATOMIC_SEQ_CST) % COUNT](1); }
static void clean(void *p) {
    call_next();
    __atomic_add_fetch(&cleaned, 1, __ATOMIC_SEQ_CST);
}
static volatile int has_begun;
__attribute__((noinline)) static void run(void) {
    int old;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
    has_begun = 1;
    for (;;)
        call_next();
}
static void *thread(void *arg) {
    pthread_cleanup_push(clean, 0);
    run();
    pthread_cleanup_pop(0);
    return arg;
}
// May not be cancelled for a while, and then at once.
static void *forbids(void *arg) {
    pthread_cleanup_push(clean, 0);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, 0);
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, 0);
    has_begun = 1;
    for (int i = 0; i < 10; i++)
        call_next();
    pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, 0);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, 0);
    call_next();
    for (;;)
        pthread_testcancel();
    pthread_cleanup_pop(0);
    return arg;
}
// Nothing of it has been compiled when it is cancelled.
static void *first_of_all(void *arg) {
    for (;;)
        pthread_testcancel();
    return arg;
}

static int cancel(void *(*start)(void *), int pause) {
    pthread_t t;
    void *result;
    has_begun = 0;
    pthread_create(&t, 0, start, 0);
    while (pause && !has_begun)
        ;
    if (pause > 1)
        usleep(pause);
    pthread_cancel(t);
    pthread_join(t, &result);
    return result == PTHREAD_CANCELED;
}

int main(void) {
    int cancelled = cancel(first_of_all, 0);
    for (int i = 0; i < 60; i++)
        cancelled += cancel(thread, 1 + i * 37 % 900) + cancel(forbids, 1 + i % 3 * 100);
    printf("%d %d\n", cancelled, cleaned);
    return 0;
}
