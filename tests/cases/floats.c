// Floating point: printing, rounding, special values, long double, _Float16, and
// conversions that are library calls.
// LINK: m
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static volatile double zero, one = 1, huge = 1e308;
static volatile _Float16 half = 1.5f16, half2 = 0.1f16;
static volatile float f32 = 3.14159274f;
static volatile long double ext = 1.0L / 3;

__attribute__((noinline)) static _Float16 half_math(_Float16 a, _Float16 b) { return a * b + a; }

int main(void) {
    printf("%g %g %d %d\n", huge * 10, -one / zero, isnan(zero / zero) != 0, signbit(-zero) != 0);
    printf("%.17g %a %e %.3g\n", 0.1, 1.0 / 3, 6.02e23, 123456.0);
    printf("%.20Lg %La\n", ext, ext);
    printf("%f %f\n", (double)half_math(half, half2), (double)half);
    printf("%f\n", (double)f32);
    half = (_Float16)(double)ext;
    printf("%f\n", (double)half);
    printf("%lld %llu %d\n", (long long)-1e18, (unsigned long long)1.8e19, (int)(float)16777217);
    volatile uint64_t u = UINT64_MAX;
    printf("%.1f %.1f\n", (double)u, (double)(float)u);
    printf("%.6f %.6f %.6f %.6f\n", sin(one), exp(one), pow(2.5, one * 3), atan2(one, 2));
    printf("%.6f %.6f %ld %.1f\n", cbrt(27 * one), hypot(3 * one, 4), lrint(2.5 * one), nearbyint(3.5 * one));
    printf("%g %g %g\n", strtod("1e-320", 0), DBL_MIN, (double)FLT_MAX);
    int e;
    double m = frexp(10.0 * one, &e);
    printf("%g %d %g\n", m, e, fma(2 * one, 3, 4));
    return 0;
}
