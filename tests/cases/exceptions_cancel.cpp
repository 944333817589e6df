// Forced unwinding: pthread_exit and pthread_cancel through C++ frames with destructors, which are
// compiled meanwhile; a catch block for everything that goes on; cleanup handlers of C.
// LINK: stdc++ pthread
#include <atomic>
#include <cstdio>
#include <cxxabi.h>
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

static std::atomic<int> destroyed{0};
static int weight(int n) { return n * 1; }
struct Guard {
    int n;
    explicit Guard(int n) : n(n) {}
    ~Guard() { destroyed += weight(n); }
};
static void handler(void *p) { destroyed += *(int *)p; }

static int leave(int n) {
    Guard g(1);
    if (n == 0)
        pthread_exit((void *)17L);
    return leave(n - 1) + 1;
}
static void *exits(void *) {
    Guard g(100);
    int hundred = 1000;
    pthread_cleanup_push(handler, &hundred);
    try {
        leave(9);
    } catch (abi::__forced_unwind &) {
        destroyed += 10000;
        throw;
    }
    pthread_cleanup_pop(0);
    return nullptr;
}
static sem_t ready;
static int wait_for_ever(int n) {
    Guard g(1);
    if (n == 0) {
        sem_post(&ready);
        for (;;)
            pause();
    }
    return wait_for_ever(n - 1) + 1;
}
static void *cancelled(void *) {
    Guard g(100);
    try {
        wait_for_ever(4);
    } catch (...) {
        destroyed += 10000;
        throw;
    }
    return nullptr;
}

int main() {
    pthread_t t;
    void *r;
    pthread_create(&t, nullptr, exits, nullptr);
    pthread_join(t, &r);
    printf("%ld %d\n", (long)r, destroyed.load());
    destroyed = 0;
    sem_init(&ready, 0, 0);
    pthread_create(&t, nullptr, cancelled, nullptr);
    sem_wait(&ready);
    pthread_cancel(t);
    pthread_join(t, &r);
    printf("%d %d\n", r == PTHREAD_CANCELED, destroyed.load());
    return 0;
}
