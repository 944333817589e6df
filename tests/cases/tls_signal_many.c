// Handlers on an alternate stack and the threads that they interrupt use many thread-locals for the
// first time, in turns: while a thread runs, in its destructors, and in a forked child.
// LINK: pthread
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define V(n)                                                       \
    static _Thread_local long v##n = n;                            \
    __attribute__((noinline)) static long use##n(void) { return v##n++; }
#define VS(n) V(n##0) V(n##1) V(n##2) V(n##3) V(n##4) V(n##5) V(n##6) V(n##7) V(n##8) V(n##9)
VS(1) VS(2) VS(3) VS(4) VS(5) VS(6)
#define U(n) use##n,
#define US(n) U(n##0) U(n##1) U(n##2) U(n##3) U(n##4) U(n##5) U(n##6) U(n##7) U(n##8) U(n##9)
static long (*const uses[])(void) = {US(1) US(2) US(3) US(4) US(5) US(6)};
enum { COUNT = sizeof uses / sizeof *uses };

// Each variable is used once by the handler and once outside, in either order.
static _Thread_local int by_handler;
static _Thread_local long sum;
static void handler(int s) {
    // Ahead of the thread at first, and behind it in the end.
    int n = by_handler++;
    if (n < COUNT)
        sum += uses[(n * 7 + 3) % COUNT]();
}
static void use_all(void) {
    for (int i = 0; i < COUNT; i++) {
        raise(SIGUSR1);
        sum += uses[i]();
    }
}
// The sum of n and n + 1, for all of 10 to 69.
static int is_right(void) { return sum == 2 * (10 + 69) * 30 + COUNT; }

static pthread_key_t key;
static int right_at_end;
static void at_end(void *stack) {
    // Nothing of this thread's is gone yet.
    use_all();
    if (by_handler == 2 * COUNT && is_right() == 0)
        right_at_end++;
}

static void *thread(void *arg) {
    stack_t stack = {.ss_sp = malloc(64 << 10), .ss_size = 64 << 10};
    sigaltstack(&stack, 0);
    pthread_setspecific(key, stack.ss_sp);
    if (arg)
        return 0; // All of it happens at the end.
    use_all();
    return (void *)(long)is_right();
}

static int many(void) {
    int right = 0;
    for (int i = 0; i < 20; i++) {
        pthread_t t;
        void *result;
        pthread_create(&t, 0, thread, (void *)(long)(i % 2));
        pthread_join(t, &result);
        right += result != 0;
    }
    return right;
}

int main(void) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, 0);
    pthread_key_create(&key, at_end);
    printf("%d %d\n", many(), right_at_end);
    fflush(stdout);
    use_all();
    pid_t child = fork();
    if (child == 0) {
        long before = uses[0]();
        printf("%ld %d\n", before, many());
        fflush(stdout);
        _exit(is_right());
    }
    int status;
    waitpid(child, &status, 0);
    printf("%d %ld\n", WEXITSTATUS(status), uses[0]());
    return 0;
}
