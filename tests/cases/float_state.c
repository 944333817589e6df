// A first call keeps the rounding modes and exception flags of SSE and x87, whatever compiling
// does meanwhile; so also values on the x87 stack's control word.
// LINK: m
// FLAGS: -frounding-math
#include <fenv.h>
#include <stdio.h>
#include <xmmintrin.h>

static volatile double third_a = 1, third_b = 3;
__attribute__((noinline)) static double divide_1(void) { return third_a / third_b; }
__attribute__((noinline)) static double divide_2(void) { return third_a / third_b; }
__attribute__((noinline)) static unsigned control(void) {
    unsigned short cw;
    __asm__ volatile("fnstcw %0" : "=m"(cw));
    return cw;
}
__attribute__((noinline)) static int flags_seen(void) { return fetestexcept(FE_ALL_EXCEPT); }
__attribute__((noinline)) static int nothing(int x) { return x; }

int main(void) {
    fesetround(FE_UPWARD);
    printf("%a %d\n", divide_1(), fegetround() == FE_UPWARD);
    fesetround(FE_DOWNWARD);
    printf("%a %d\n", divide_2(), fegetround() == FE_DOWNWARD);
    printf("%x\n", control());
    fesetround(FE_TONEAREST);

    unsigned short single = 0x007f;
    __asm__ volatile("fldcw %0" : : "m"(single));
    unsigned seen = control();
    __asm__ volatile("fninit");
    printf("%x\n", seen);

    feclearexcept(FE_ALL_EXCEPT);
    int r = nothing(1);
    printf("%d %d\n", r, flags_seen());
    feraiseexcept(FE_DIVBYZERO | FE_OVERFLOW);
    printf("%d\n", (flags_seen() & (FE_DIVBYZERO | FE_OVERFLOW)) == (FE_DIVBYZERO | FE_OVERFLOW));
    _mm_setcsr(_mm_getcsr() | 0x8040);
    printf("%d\n", (_mm_getcsr() & 0x8040) == 0x8040);
    return 0;
}
