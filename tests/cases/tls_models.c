// Thread-locals of every model, initialised and zeroed, internal and shared by two files, and
// libc's own errno; each thread sees its own copy with the initial value.
// FILES: parts/tls_models_2.c
// LINK: pthread
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

__thread int general = 1;
static __thread int local_dynamic = 2;
static __thread int local_dynamic_2 = 3;
__attribute__((tls_model("initial-exec"))) __thread int initial_exec = 4;
__attribute__((tls_model("local-exec"))) static __thread int local_exec = 5;
static __thread char zeroed[3000];
static __thread struct {
    int *self;
    __attribute__((aligned(64))) char wide[64];
} aligned_one;
extern __thread int elsewhere;
int bump_elsewhere(void);
int *address_elsewhere(void);

static int sum(void) {
    static __thread int calls;
    calls++;
    aligned_one.self = &general;
    zeroed[2999]++;
    return general + local_dynamic + local_dynamic_2 + initial_exec + local_exec + elsewhere + zeroed[2999] + calls;
}

static void *thread(void *arg) {
    long n = (long)arg;
    general += n;
    local_dynamic += n;
    local_exec += n;
    bump_elsewhere();
    sum();
    int *results = malloc(4 * sizeof(int));
    results[0] = sum();
    results[1] = elsewhere;
    results[2] = address_elsewhere() == &elsewhere && aligned_one.self == &general;
    errno = (int)n;
    close(-1);
    results[3] = errno == EBADF && (unsigned long)aligned_one.wide % 64 == 0;
    return results;
}

int main(void) {
    pthread_t threads[4];
    errno = 77;
    general = 1000;
    printf("%d\n", sum());
    for (long i = 0; i < 4; i++)
        pthread_create(&threads[i], 0, thread, (void *)(i + 1));
    for (int i = 0; i < 4; i++) {
        int *r;
        pthread_join(threads[i], (void **)&r);
        printf("%d %d %d %d\n", r[0], r[1], r[2], r[3]);
        free(r);
    }
    printf("%d %d %d\n", sum(), elsewhere, bump_elsewhere());
    return 0;
}
