// A first call on a thread of the smallest stack, and on a coroutine's stack of 16 KB.
// LINK: pthread
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

static int new_in_thread(int x) { return x + 1; }
static int new_in_coroutine(int x) { return x + 2; }
static void *thread(void *arg) { return (void *)(long)new_in_thread((int)(long)arg); }

static ucontext_t main_context, coroutine;
static int result;
static void body(void) {
    result = new_in_coroutine(5);
    swapcontext(&coroutine, &main_context);
    result += new_in_coroutine(50);
}

int main(void) {
    pthread_attr_t attributes;
    pthread_t t;
    void *r;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN);
    pthread_create(&t, &attributes, thread, (void *)41);
    pthread_join(t, &r);
    printf("%ld\n", (long)r);

    char *stack = malloc(16384);
    getcontext(&coroutine);
    coroutine.uc_stack.ss_sp = stack;
    coroutine.uc_stack.ss_size = 16384;
    coroutine.uc_link = &main_context;
    makecontext(&coroutine, body, 0);
    swapcontext(&main_context, &coroutine);
    printf("%d\n", result);
    swapcontext(&main_context, &coroutine);
    printf("%d\n", result);
    free(stack);
    return 0;
}
