// Buffers live on a stack of their own, whose pointer is a thread-local variable that the program
// defines in another file; each thread has its own.
// FLAGS: -Xclang -fsanitize=safe-stack
// FILES: parts/safe_stack_2.c
// EXIT: 0
// NOT-GCC: options of clang's
#include <pthread.h>
#include <stdio.h>
#include <string.h>

void use_own_stack(int number);

__attribute__((noinline)) static int middle(const char *buffer) { return buffer[50]; }

__attribute__((noinline)) static int deep(int n) {
    char buffer[100];
    memset(buffer, n, sizeof buffer);
    int value = middle(buffer);
    return n ? value + deep(n - 1) + middle(buffer) - value : value;
}

__attribute__((no_sanitize("safe-stack"))) static void *in_thread(void *result) {
    use_own_stack(1);
    *(int *)result = deep(10);
    return result;
}

static int other;

__attribute__((no_sanitize("safe-stack"))) int main(void) {
    pthread_t thread;
    use_own_stack(0);
    pthread_create(&thread, 0, in_thread, &other);
    int value = deep(20);
    pthread_join(thread, 0);
    printf("%d %d\n", value, other);
    return 0;
}
