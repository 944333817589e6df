// 128-bit multiplication with overflow check: at -O0 a call of __muloti4, which libgcc lacks.
// NATIVE: no, the linker finds no __muloti4 in libgcc
// STDOUT: 0 00000000000000000000000000000015
// STDOUT: 1
// STDOUT: 0 fffffffffffffffffffffffffffffffa
// STDOUT: 0 6
#include <stdio.h>

static volatile __int128 a = 7, b = 3, big = (__int128)1 << 100;

int main(void) {
    __int128 r;
    int o = __builtin_mul_overflow(a, b, &r);
    printf("%d %016llx%016llx\n", o, (unsigned long long)((unsigned __int128)r >> 64), (unsigned long long)r);
    o = __builtin_mul_overflow(big, big, &r);
    printf("%d\n", o);
    a = -2;
    o = __builtin_mul_overflow(a, b, &r);
    printf("%d %016llx%016llx\n", o, (unsigned long long)((unsigned __int128)r >> 64), (unsigned long long)r);
    long l;
    o = __builtin_mul_overflow((long)2, (long)b, &l);
    printf("%d %ld\n", o, l);
    return 0;
}
