// Large stack frames, variable-length arrays, alloca, and a frame larger than the space between
// guard pages.
#include <alloca.h>
#include <stdio.h>
#include <string.h>

__attribute__((noinline)) static int big_frame(int n) {
    volatile char big[300000];
    big[0] = (char)n;
    big[299999] = (char)(n + 1);
    return big[0] + big[299999];
}
__attribute__((noinline)) static int variable(int n) {
    int v[n], sum = 0;
    for (int i = 0; i < n; i++)
        v[i] = i;
    int w[n / 2][3];
    memset(w, 1, sizeof w);
    for (int i = 0; i < n; i++)
        sum += v[i];
    return sum + (w[n / 2 - 1][2] & 0xff) + (int)sizeof w;
}
__attribute__((noinline)) static int loop_alloca(int n) {
    int *last = 0;
    for (int i = 0; i < n; i++) {
        int *p = alloca(64);
        p[0] = i + (last ? last[0] : 0);
        last = p;
    }
    return last[0];
}
int main(void) {
    printf("%d %d %d %d\n", big_frame(5), variable(100), loop_alloca(200), variable(4000));
    return 0;
}
