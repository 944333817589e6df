// Complex numbers: arithmetic by library calls (__muldc3, __divdc3), of each width.
// LINK: m
#include <complex.h>
#include <stdio.h>

static volatile double complex a = 1 + 2 * I, b = 3 - 4 * I;
static volatile float complex f = 0.5f + 1.5f * I;
static volatile long double complex l = 2 - 1 * I;

int main(void) {
    double complex m = a * b, d = a / b;
    printf("%g %g %g %g\n", creal(m), cimag(m), creal(d), cimag(d));
    float complex q = f / (f + 1) * f;
    printf("%.5f %.5f\n", (double)crealf(q), (double)cimagf(q));
    long double complex s = l * l / (l + 1);
    printf("%.6Lf %.6Lf\n", creall(s), cimagl(s));
    printf("%g %.6f\n", cabs(b), carg(conj(a)));
    double complex e = cexp(I * 3.14159265358979);
    printf("%.6f %d\n", creal(e), a == b);
    return 0;
}
