// The main thread ends by pthread_exit; the process ends with code 0 when the last thread does.
// LINK: pthread
#include <pthread.h>
#include <stdio.h>

static pthread_t main_thread;
static void *other(void *arg) {
    pthread_join(main_thread, 0);
    puts("after main");
    return 0;
}
int main(void) {
    pthread_t t;
    main_thread = pthread_self();
    pthread_create(&t, 0, other, 0);
    puts("main");
    pthread_exit(0);
}
