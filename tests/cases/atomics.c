// Atomics of one to eight bytes, fences, flags, and counters over threads.
// LINK: pthread
// NOT-GCC: needs -latomic
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static atomic_int counter;
static _Atomic char small = 1;
static _Atomic short middle = 2;
static _Atomic long large = 3;
static _Atomic double floating = 0.5;
static atomic_flag flag = ATOMIC_FLAG_INIT;
static long guarded;
static _Thread_local int own;

static void *thread(void *arg) {
    for (int i = 0; i < 10000; i++) {
        atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);
        own++;
        while (atomic_flag_test_and_set(&flag))
            ;
        guarded++;
        atomic_flag_clear(&flag);
    }
    return (void *)(long)own;
}
int main(void) {
    pthread_t t[4];
    long owned = 0;
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], 0, thread, 0);
    for (int i = 0; i < 4; i++) {
        void *r;
        pthread_join(t[i], &r);
        owned += (long)r;
    }
    printf("%d %ld %ld\n", counter, guarded, owned);
    small += 5;
    middle ^= 0xff;
    large = atomic_exchange(&large, 99) + large;
    floating += 1.25;
    long expected = 5;
    int done = atomic_compare_exchange_strong(&large, &expected, 1);
    atomic_thread_fence(memory_order_seq_cst);
    printf("%d %d %ld %g %d %ld\n", small, middle, (long)large, (double)floating, done, expected);
    printf("%d\n", atomic_fetch_or(&counter, 0xf) & 0xff);
    return 0;
}
