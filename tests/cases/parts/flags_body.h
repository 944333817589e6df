// The program that flags_*.c build with flags of their own.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct big {
    int v[40];
};
static int small = 3;
int exported = 4;
static char large[70000];
static const char *const names[] = {"zero", "one", "two"};
__thread int per_thread = 5;
static __thread int per_thread_static = 6;
__attribute__((noinline)) static int add(int a, int b) { return a + b; }
__attribute__((noinline)) int shared(int a) { return add(a, exported); }
static int (*volatile pointer)(int) = shared;
__attribute__((noinline)) static struct big make(int n) {
    struct big b;
    for (int i = 0; i < 40; i++)
        b.v[i] = i * n;
    return b;
}
__attribute__((noinline)) static int classify(int n) {
    switch (n) {
    case 0: return 10;
    case 1: return 13;
    case 2: return 7;
    case 3: return 29;
    case 4: return 31;
    case 5: return 2;
    default: return -1;
    }
}
__attribute__((noinline)) static int on_stack(int n) {
    char text[64];
    snprintf(text, sizeof text, "%d-%d", n, n + 1);
    return (int)strlen(text);
}
__attribute__((noinline)) static int variable(int n) {
    char room[n];
    memset(room, n, sizeof room);
    return room[n - 1];
}
static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

int main(int argc, char **argv) {
    int sum = 0;
    for (int i = 0; i < 7; i++)
        sum += classify(i);
    large[69999] = 9;
    int sorted[] = {3, 1, 2};
    qsort(sorted, 3, sizeof *sorted, compare);
    printf("%d %d %d %d\n", sum, small, large[69999], pointer(1));
    printf("%s %d %d\n", names[argc + 1], per_thread++, per_thread_static);
    printf("%d %d %d\n", make(2).v[39], on_stack(99), variable(100));
    printf("%d %d\n", sorted[0], pointer == shared);
    fputs("end\n", stdout);
    return 0;
}
