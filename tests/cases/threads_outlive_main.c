// EXIT: 6
// A thread ends the process with exit while the main thread waits for it; another one only
// sleeps.
// LINK: pthread
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void at_end(void) { puts("end"); }
static void *sleeper(void *arg) {
    for (;;)
        pause();
}
static void *ender(void *arg) {
    puts("exit from a thread");
    exit(6);
}
int main(void) {
    pthread_t a, b;
    atexit(at_end);
    pthread_create(&a, 0, sleeper, 0);
    pthread_create(&b, 0, ender, 0);
    pthread_join(b, 0);
    for (;;)
        pause();
}
