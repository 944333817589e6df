// Statics of functions, one-time initialisation by pthread_once and call_once, and state that a
// callback of another library sees.
// LINK: pthread
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <threads.h>

static once_flag flag = ONCE_FLAG_INIT;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int inits;
static void init(void) { inits++; }
static int counter(int reset) {
    static int n = 10;
    static const char *const names[] = {"ten", "eleven", "twelve"};
    if (reset)
        n = 10;
    printf("%s ", names[n - 10]);
    return n++;
}
static void *thread(void *arg) {
    call_once(&flag, init);
    pthread_once(&once, init);
    return 0;
}
int main(void) {
    pthread_t t[8];
    printf("%d\n", counter(0));
    printf("%d\n", counter(0));
    printf("%d\n", counter(0));
    printf("%d\n", counter(1));
    for (int i = 0; i < 8; i++)
        pthread_create(&t[i], 0, thread, 0);
    for (int i = 0; i < 8; i++)
        pthread_join(t[i], 0);
    printf("%d\n", inits);
    return 0;
}
