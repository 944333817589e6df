// __cxa_thread_atexit_impl, as C++ and Rust use it: destructors of thread-locals in reverse
// order, at the thread's end and, for the main thread, before `atexit` functions.
// LINK: pthread
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

extern int __cxa_thread_atexit_impl(void (*)(void *), void *, void *);
extern void *__dso_handle;

static void gone(void *p) { printf("gone %s\n", (char *)p); }
static void at_exit(void) { puts("atexit"); }

static void *thread(void *arg) {
    __cxa_thread_atexit_impl(gone, "thread first", &__dso_handle);
    __cxa_thread_atexit_impl(gone, "thread second", &__dso_handle);
    return arg;
}

int main(void) {
    pthread_t t;
    atexit(at_exit);
    pthread_create(&t, 0, thread, 0);
    pthread_join(t, 0);
    __cxa_thread_atexit_impl(gone, "main first", &__dso_handle);
    __cxa_thread_atexit_impl(gone, "main second", &__dso_handle);
    puts("end of main");
    return 0;
}
