// fork in the middle of a program of several threads; parent and child then both call functions
// that nobody called before, the child forks again, and a vfork child leaves by _exit.
// LINK: pthread
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define FRESH(n) __attribute__((noinline)) static int fresh_##n(int x) { return x + n; }
FRESH(1) FRESH(2) FRESH(3) FRESH(4) FRESH(5) FRESH(6) FRESH(7) FRESH(8)
static volatile int stop;
static __thread int mine = 3;
static int prepared, parent_after, child_after;
static void prepare(void) { prepared = fresh_7(prepared); }
static void parent(void) { parent_after++; }
static void child(void) { child_after = fresh_8(child_after); }

// Calls ever new functions meanwhile.
__attribute__((noinline)) static int more(int n);
#define MORE(n) __attribute__((noinline)) static int more_##n(int x) { return x * 3 + n; }
MORE(0) MORE(1) MORE(2) MORE(3) MORE(4) MORE(5) MORE(6) MORE(7) MORE(8) MORE(9)
static int more(int n) {
    switch (n) {
    case 0: return more_0(n);
    case 1: return more_1(n);
    case 2: return more_2(n);
    case 3: return more_3(n);
    case 4: return more_4(n);
    case 5: return more_5(n);
    case 6: return more_6(n);
    case 7: return more_7(n);
    case 8: return more_8(n);
    default: return more_9(n);
    }
}
static void *busy(void *arg) {
    long sum = 0;
    for (int i = 0; !stop || i < 10; i++)
        sum += more(i % 10) + mine;
    return (void *)(sum > 0 ? 1L : 0L);
}
static int status_of(pid_t pid) {
    int status;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(void) {
    pthread_t t[2];
    pthread_atfork(prepare, parent, child);
    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], 0, busy, 0);
    mine = 40;
    pid_t pid = fork();
    if (pid == 0) {
        int r = fresh_1(mine) + child_after;
        pid_t inner = fork();
        if (inner == 0)
            _exit(fresh_2(10) + child_after);
        _exit(r + status_of(inner));
    }
    int here = fresh_3(0) + fresh_1(0);
    printf("%d %d\n", here, status_of(pid));
    pid = fork();
    if (pid == 0)
        _exit(fresh_3(1) + fresh_4(1) + more(3));
    printf("%d %d\n", fresh_4(0), status_of(pid));
    pid = vfork();
    if (pid == 0)
        _exit(fresh_5(50));
    printf("%d %d\n", fresh_6(0), status_of(pid));
    stop = 1;
    for (int i = 0; i < 2; i++) {
        void *r;
        pthread_join(t[i], &r);
        printf("%ld\n", (long)r);
    }
    printf("%d %d\n", prepared, parent_after);
    return 0;
}
