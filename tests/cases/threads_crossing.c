// Threads that enter a ring of mutually recursive functions at different places at once, so
// that each waits for what another compiles; with a mutex and a condition variable.
// LINK: pthread
#include <pthread.h>
#include <stdio.h>

static int a(int), b(int), c(int), d(int);
static int a(int n) { return n <= 0 ? 1 : b(n - 1) + 1; }
static int b(int n) { return n <= 0 ? 2 : c(n - 1) + 1; }
static int c(int n) { return n <= 0 ? 3 : d(n - 1) + 1; }
static int d(int n) { return n <= 0 ? 4 : a(n - 1) + 1; }
static int (*const starts[])(int) = {a, b, c, d};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t go = PTHREAD_COND_INITIALIZER;
static int open_gate, results[8];

static void *thread(void *arg) {
    long i = (long)arg;
    pthread_mutex_lock(&lock);
    while (!open_gate)
        pthread_cond_wait(&go, &lock);
    pthread_mutex_unlock(&lock);
    results[i] = starts[i % 4](10 + (int)i);
    return 0;
}
int main(void) {
    pthread_t t[8];
    for (long i = 0; i < 8; i++)
        pthread_create(&t[i], 0, thread, (void *)i);
    pthread_mutex_lock(&lock);
    open_gate = 1;
    pthread_cond_broadcast(&go);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < 8; i++)
        pthread_join(t[i], 0);
    for (int i = 0; i < 8; i++)
        printf("%d ", results[i]);
    printf("\n");
    return 0;
}
