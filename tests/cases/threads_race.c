// 32 threads call the same functions for the first time at once, 20 functions in turn; each
// result is right and each static is initialised once.
// LINK: pthread
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define THREADS 32
#define F(n) __attribute__((noinline)) static int f##n(int x) { return x * n + (x & 1 ? f_odd(n) : f_even(n)); }
static int f_odd(int n) { return n; }
static int f_even(int n) { return -n; }
F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10)
F(11) F(12) F(13) F(14) F(15) F(16) F(17) F(18) F(19) F(20)
static int (*const table[])(int) = {f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20};
static pthread_barrier_t barrier;
static atomic_int wrong, total;

static int direct(int i, int x) {
    switch (i) {
    case 0: return f1(x);
    case 5: return f6(x);
    case 10: return f11(x);
    case 19: return f20(x);
    default: return table[i](x);
    }
}
static void *thread(void *arg) {
    int x = (int)(long)arg;
    for (int i = 0; i < 20; i++) {
        pthread_barrier_wait(&barrier);
        int n = i + 1;
        int got = direct(i, x);
        if (got != x * n + (x & 1 ? n : -n))
            atomic_fetch_add(&wrong, 1);
        atomic_fetch_add(&total, got);
    }
    return 0;
}

int main(void) {
    pthread_t t[THREADS];
    pthread_barrier_init(&barrier, 0, THREADS);
    for (long i = 0; i < THREADS; i++)
        pthread_create(&t[i], 0, thread, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], 0);
    printf("%d %d\n", wrong, total);
    return 0;
}
