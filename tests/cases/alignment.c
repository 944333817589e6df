// The stack is aligned at the entry of each function, first call or not, in callbacks and in
// constructors; over-aligned locals are where they should be.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <xmmintrin.h>

static int bad;
#define CHECK_FRAME()                                                                              \
    do {                                                                                           \
        __attribute__((aligned(16))) volatile char here[16];                                       \
        here[0] = 1;                                                                               \
        bad += ((uintptr_t)__builtin_frame_address(0) & 15) != 0 || ((uintptr_t)here & 15) != 0;   \
    } while (0)

__attribute__((constructor)) static void construct(void) { CHECK_FRAME(); }
__attribute__((noinline)) static int odd_arguments(int a, int b, int c, int d, int e, int f, int g) {
    CHECK_FRAME();
    return a + g;
}
__attribute__((noinline)) static __m128 vectors(__m128 a, __m128 b) {
    CHECK_FRAME();
    return _mm_add_ps(a, b);
}
static int compare(const void *a, const void *b) {
    CHECK_FRAME();
    return 0;
}
__attribute__((noinline)) static int wide_local(void) {
    __attribute__((aligned(256))) volatile char big[512];
    big[3] = 4;
    bad += ((uintptr_t)big & 255) != 0;
    return big[3];
}
static void at_exit(void) {
    CHECK_FRAME();
    printf("%d\n", bad);
}

int main(void) {
    atexit(at_exit);
    CHECK_FRAME();
    int v[2] = {1, 2};
    qsort(v, 2, sizeof *v, compare);
    float out[4];
    _mm_storeu_ps(out, vectors(_mm_set1_ps(1), _mm_set1_ps(2)));
    printf("%d %f %d %d\n", odd_arguments(1, 2, 3, 4, 5, 6, 7), out[2], wide_local(), bad);
    return 0;
}
