// Cleanup attributes and pthread_cleanup_push run when pthread_exit and pthread_cancel unwind
// through frames of the program.
// FLAGS: -fexceptions
// LINK: pthread
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static int log_value;
static void note(int *p) { log_value = log_value * 10 + *p; }
static void pushed(void *p) { log_value = log_value * 10 + *(int *)p; }
static int three = 3;
static int pipes[2];

__attribute__((noinline)) static void leave(int cancel) {
    __attribute__((cleanup(note))) int guard = 4;
    if (cancel) {
        char c;
        read(pipes[0], &c, 1);
    }
    pthread_exit((void *)9);
}
__attribute__((noinline)) static void middle(int cancel) {
    pthread_cleanup_push(pushed, &three);
    leave(cancel);
    pthread_cleanup_pop(0);
}
static void *thread(void *arg) {
    __attribute__((cleanup(note))) int guard = 2;
    middle(arg != 0);
    return 0;
}

int main(void) {
    pthread_t t;
    void *r;
    pthread_create(&t, 0, thread, 0);
    pthread_join(t, &r);
    printf("%d %ld\n", log_value, (long)r);
    log_value = 0;
    pipe(pipes);
    pthread_create(&t, 0, thread, &t);
    pthread_cancel(t);
    pthread_join(t, &r);
    // Cancellation is deferred, so it acts in `read` and nowhere before.
    printf("%d %d\n", log_value == 432, r == PTHREAD_CANCELED);
    return 0;
}
