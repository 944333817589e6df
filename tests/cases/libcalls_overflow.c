// 128-bit multiplication with overflow check: code that would need __muloti4, which libgcc
// lacks, were it not for what the triple says about the run-time library.
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
