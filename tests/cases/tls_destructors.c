// Destructors of pthread keys run with the thread's own variables still there; `pthread_once`
// runs once; a thread that ends by pthread_exit counts too.
// LINK: pthread
#include <pthread.h>
#include <stdio.h>

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static __thread int mine = 5;
static int destroyed, made;

static void destroy(void *p) { destroyed += *(int *)p + mine; }
static void make(void) {
    made++;
    pthread_key_create(&key, destroy);
}
static void *thread(void *arg) {
    pthread_once(&once, make);
    mine = 7;
    pthread_setspecific(key, arg);
    if (*(int *)arg > 100)
        pthread_exit(arg);
    return arg;
}

int main(void) {
    int values[] = {100, 200};
    for (int i = 0; i < 2; i++) {
        pthread_t t;
        void *r;
        pthread_create(&t, 0, thread, &values[i]);
        pthread_join(t, &r);
        printf("%d %d %d\n", *(int *)r, destroyed, made);
    }
    printf("%d\n", mine);
    return 0;
}
