// Cancellation at any instruction, and pthread_exit in a function's first call: destructors of all frames
// run, and of thread-local objects, each compiled as it is called.
// LINK: pthread
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static int made, gone, locals;
struct Counted {
    Counted() { __atomic_add_fetch(&made, 1, __ATOMIC_SEQ_CST); }
    ~Counted() { __atomic_add_fetch(&gone, 1, __ATOMIC_SEQ_CST); }
};
struct Local {
    int used = 0;
    ~Local() { __atomic_add_fetch(&locals, used, __ATOMIC_SEQ_CST); }
};
static thread_local Local local;

template <int N> struct Numbered {
    __attribute__((noinline)) static int call(int x) { return x + N; }
};
template <int N> struct All {
    __attribute__((noinline)) static int call(int x) { return Numbered<N>::call(x) + All<N - 1>::call(x); }
};
template <> struct All<0> {
    static int call(int x) { return x; }
};

template <int N> __attribute__((noinline)) void run() {
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
    for (volatile int x = 0;;)
        x = All<N>::call(x);
}
template <int N> __attribute__((noinline)) void outer() {
    Counted counted;
    run<N>();
}
template <int N> void *thread(void *arg) {
    local.used = 1;
    Counted counted;
    outer<N>();
    return arg;
}
static void *exits(void *arg) {
    local.used = 1;
    Counted counted;
    struct Exiting {
        __attribute__((noinline)) static void go(void *arg) {
            Counted counted;
            pthread_exit(arg);
        }
    };
    Exiting::go(arg);
    return nullptr;
}

static int cancelled;
static void cancel(void *(*start)(void *), int pause) {
    pthread_t t;
    void *result;
    pthread_create(&t, nullptr, start, nullptr);
    usleep(pause);
    pthread_cancel(t);
    pthread_join(t, &result);
    cancelled += result == PTHREAD_CANCELED;
}

int main() {
    cancel(thread<40>, 2000);
    cancel(thread<41>, 4000);
    cancel(thread<42>, 6000);
    cancel(thread<43>, 9000);
    for (int i = 0; i < 20; i++)
        cancel(thread<45>, i * 300);
    pthread_t t;
    void *result;
    pthread_create(&t, nullptr, exits, &t);
    pthread_join(t, &result);
    // A thread that is cancelled before it has begun has made nothing.
    printf("%d %d %d %d\n", cancelled, made == gone, locals > 0, result == &t);
    return 0;
}
