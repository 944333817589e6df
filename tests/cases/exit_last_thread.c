// The process ends with its last thread, and then calls what was registered with `atexit`, whichever
// thread that is: functions are called for the first time after the first thread has ended.
// LINK: pthread
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define F(n) __attribute__((noinline)) static int f##n(int x) { return x + n; }
#define C(n) x = f##n(x);
F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9)

static pthread_t first;
static volatile int came;
static void handler(int s) { came = s; }
static void at_exit(void) {
    raise(SIGUSR1);
    printf("atexit %d\n", came == SIGUSR1);
}
static void *last(void *arg) {
    int x = 0;
    pthread_join(first, 0);
    C(1) C(2) C(3) C(4) C(5)
    usleep(30000);
    C(6) C(7) C(8) C(9)
    printf("%d\n", x);
    return 0;
}
int main(void) {
    pthread_t t;
    signal(SIGUSR1, handler);
    atexit(at_exit);
    first = pthread_self();
    pthread_create(&t, 0, last, 0);
    pthread_detach(t);
    pthread_exit(0);
}
