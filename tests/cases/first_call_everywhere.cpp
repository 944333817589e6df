// First calls where little is at hand: from a constructor and an atexit function, from a
// thread_local's and a static's initialiser, from coroutines on a stack of 16 KB that throw and
// catch there, from a thread of the smallest stack that throws.
// LINK: stdc++ pthread
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <ucontext.h>

template <int N> __attribute__((noinline)) int fresh(int x) { return x + N; }
template <int N> __attribute__((noinline)) int throws(int x) {
    if (x < 0)
        throw std::runtime_error("fresh " + std::to_string(N));
    return fresh<N>(x);
}
template <int N> int attempt(int x) {
    try {
        return throws<N>(x);
    } catch (const std::exception &e) {
        printf("%s\n", e.what());
        return -N;
    }
}

struct Global {
    int v;
    Global() : v(attempt<1>(1)) { printf("constructor %d\n", attempt<2>(-1)); }
    ~Global() { printf("destructor %d\n", attempt<3>(-1)); }
} global;
thread_local int per_thread = attempt<4>(-4);
static void at_exit() { printf("atexit %d\n", attempt<5>(-5)); }
static int &lazy_static() {
    static int v = attempt<6>(6);
    return v;
}
static void *thread(void *) {
    return (void *)(long)(attempt<7>(-7) + per_thread);
}
static ucontext_t home, away;
static int result;
static void body() {
    result = attempt<8>(-8);
    swapcontext(&away, &home);
    result += attempt<9>(9);
    try {
        throws<10>(-10);
    } catch (...) {
        result += 1000;
        swapcontext(&away, &home);
        result += fresh<11>(0);
    }
}
int main() {
    printf("main %d %d\n", global.v, per_thread);
    atexit(at_exit);
    printf("static %d\n", lazy_static() + lazy_static());
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN);
    pthread_t t;
    void *r;
    pthread_create(&t, &attributes, thread, nullptr);
    pthread_join(t, &r);
    printf("thread %ld\n", (long)r);
    char *stack = (char *)malloc(16384);
    getcontext(&away);
    away.uc_stack.ss_sp = stack;
    away.uc_stack.ss_size = 16384;
    away.uc_link = &home;
    makecontext(&away, body, 0);
    for (int i = 0; i < 3; i++) {
        swapcontext(&home, &away);
        printf("coroutine %d\n", result);
    }
    free(stack);
    return 0;
}
