// The first call of a function keeps all its arguments: integers and floats in registers and on
// the stack, structs by value in each class, and hidden pointers for results.
#include <complex.h>
#include <stdio.h>

struct s1 { char a; };
struct s2 { int a; float b; };
struct s3 { double a; long b; };
struct s4 { long a, b, c; };
struct s5 { float a, b, c; };
struct s6 { long double a; };
struct s7 { char text[33]; };

static long ints(int a, long b, short c, char d, unsigned e, long f, int g, long h, signed char i, long j) {
    return a + 2 * b + 3 * c + 4 * d + 5L * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * j;
}
static double floats(double a, float b, double c, float d, double e, float f, double g, float h, double i, float j) {
    return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * j;
}
static double both(int a, double b, int c, double d, int e, double f, int g, double h, int i, double j, int k, double l,
                   int m, double n, int o, double p, int q, double r) {
    return a + b + c * d + e * f + g * h + i * j + k * l + m * n + o * p + q * r;
}
static struct s1 r1(struct s1 x) { x.a++; return x; }
static struct s2 r2(struct s2 x) { x.a++; x.b *= 2; return x; }
static struct s3 r3(struct s3 x) { x.a *= 2; x.b++; return x; }
static struct s4 r4(struct s4 x, struct s4 y) { x.a += y.c; x.c = y.a; return x; }
static struct s5 r5(struct s5 x) { float t = x.a; x.a = x.c; x.c = t; return x; }
static struct s6 r6(struct s6 x, long double y) { x.a += y; return x; }
static struct s7 r7(struct s7 x, int i) { x.text[i] = '*'; return x; }
static __int128 r8(__int128 x, int a, int b, int c, int d, int e, __int128 y) { return x * 2 + y + a + e; }
static double complex r9(double complex x, float complex y) { return x * y; }
static long double complex r10(long double complex x) { return x * x; }
static _Bool r11(_Bool a, _Bool b) { return a && !b; }

int main(void) {
    printf("%ld\n", ints(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
    printf("%f\n", floats(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
    printf("%f\n", both(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18));
    printf("%d\n", r1((struct s1){'a'}).a);
    struct s2 a2 = r2((struct s2){1, 2});
    printf("%d %f\n", a2.a, a2.b);
    struct s3 a3 = r3((struct s3){1.5, 2});
    printf("%f %ld\n", a3.a, a3.b);
    struct s4 a4 = r4((struct s4){1, 2, 3}, (struct s4){10, 20, 30});
    printf("%ld %ld %ld\n", a4.a, a4.b, a4.c);
    struct s5 a5 = r5((struct s5){1, 2, 3});
    printf("%f %f %f\n", a5.a, a5.b, a5.c);
    printf("%Lf\n", r6((struct s6){1.25L}, 2.5L).a);
    printf("%s\n", r7((struct s7){"by value"}, 2).text);
    printf("%ld\n", (long)r8(-5, 1, 2, 3, 4, 5, 100));
    double complex a9 = r9(1 + 2 * I, 3 - I);
    printf("%f %f\n", creal(a9), cimag(a9));
    long double complex a10 = r10(2 + 1 * I);
    printf("%Lf %Lf\n", creall(a10), cimagl(a10));
    printf("%d %d\n", r11(1, 0), r11(1, 1));
    return 0;
}
