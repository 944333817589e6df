// __bf16: conversions are calls of __truncsfbf2 and __truncdfbf2, which the engine supplies.
// NATIVE: no, libgcc before version 13 lacks these functions
// STDOUT: 3.140625 6.281250
// STDOUT: 1.101562 inf
// STDOUT: 0.333984
// NOT-GCC: a type of clang's
#include <stdio.h>

static volatile float f32 = 3.14159274f, large = 3.4e38f;
static volatile double f64 = 1.1, third = 1.0 / 3;

__attribute__((noinline)) static float product(__bf16 a, float b) { return (float)a * b; }

int main(void) {
    __bf16 a = (__bf16)f32, b = (__bf16)f64, c = (__bf16)large, d = (__bf16)third;
    printf("%f %f\n", (double)(float)a, (double)product(a, 2.0f));
    printf("%f %f\n", (double)(float)b, (double)(float)c);
    printf("%f\n", (double)(float)d);
    return 0;
}
