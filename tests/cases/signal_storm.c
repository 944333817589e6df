// A timer's signals come while functions are called for the first time; the handler was called
// before, so that it and what it calls are compiled. Nothing is printed that depends on when.
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>

static volatile sig_atomic_t ticks;
static void tick(int s) { ticks++; }
#define F(n) __attribute__((noinline)) static int f##n(int x) { return x + n; }
#define FS(n) F(n##0) F(n##1) F(n##2) F(n##3) F(n##4) F(n##5) F(n##6) F(n##7) F(n##8) F(n##9)
#define C(n) x = f##n(x);
#define CS(n) C(n##0) C(n##1) C(n##2) C(n##3) C(n##4) C(n##5) C(n##6) C(n##7) C(n##8) C(n##9)
FS(1) FS(2) FS(3) FS(4) FS(5)

int main(void) {
    struct itimerval t = {{0, 500}, {0, 500}};
    int x = 0;
    tick(0);
    signal(SIGALRM, tick);
    setitimer(ITIMER_REAL, &t, 0);
    CS(1) CS(2) CS(3) CS(4) CS(5)
    while (ticks < 5)
        ;
    t = (struct itimerval){{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &t, 0);
    printf("%d\n", x);
    return 0;
}
