// Vector registers hold their arguments over a first call: eight of 16 bytes, eight of 32 bytes
// where the CPU has AVX, and %al for a function of variable arguments.
#include <immintrin.h>
#include <stdarg.h>
#include <stdio.h>

typedef double v2d __attribute__((vector_size(16)));
typedef double v4d __attribute__((vector_size(32)));

__attribute__((noinline)) static double all8(v2d a, v2d b, v2d c, v2d d, v2d e, v2d f, v2d g, v2d h) {
    return a[0] + 2 * b[1] + 3 * c[0] + 4 * d[1] + 5 * e[0] + 6 * f[1] + 7 * g[0] + 8 * h[1];
}
__attribute__((noinline, target("avx"))) static double wide8(v4d a, v4d b, v4d c, v4d d, v4d e, v4d f, v4d g, v4d h) {
    return a[3] + 2 * b[2] + 3 * c[1] + 4 * d[0] + 5 * e[3] + 6 * f[2] + 7 * g[3] + 8 * h[3];
}
__attribute__((noinline, target("avx"))) static double call_wide(double s) {
    v4d v = {s, s + 1, s + 2, s + 3};
    return wide8(v, v * 2, v * 3, v * 4, v * 5, v * 6, v * 7, v * 8);
}
static double same_wide(double s) {
    return (s + 3) + 4 * (s + 2) + 9 * (s + 1) + 16 * s + 25 * (s + 3) + 36 * (s + 2) + 49 * (s + 3) + 64 * (s + 3);
}
__attribute__((noinline)) static double variable(int n, ...) {
    va_list ap;
    double r = 0;
    va_start(ap, n);
    while (n--)
        r = r * 10 + va_arg(ap, double);
    va_end(ap);
    return r;
}
__attribute__((noinline)) static int no_vectors(const char *kinds, ...) {
    va_list ap;
    int r = 0;
    va_start(ap, kinds);
    for (; *kinds; kinds++)
        r = r * 10 + va_arg(ap, int);
    va_end(ap);
    return r;
}

int main(void) {
    v2d v = {1, 2};
    printf("%f\n", all8(v, v * 2, v * 3, v * 4, v * 5, v * 6, v * 7, v * 8));
    printf("%f\n", __builtin_cpu_supports("avx") ? call_wide(1.5) : same_wide(1.5));
    printf("%.0f\n", variable(9, 1., 2., 3., 4., 5., 6., 7., 8., 9.));
    printf("%d\n", no_vectors("iiiiiii", 1, 2, 3, 4, 5, 6, 7));
    return 0;
}
