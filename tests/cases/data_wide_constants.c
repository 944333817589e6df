// Constants of every width, alignment beyond 16, and strings with zero bytes inside.
// NOT-GCC: _BitInt
#include <stdint.h>
#include <stdio.h>
#include <string.h>

unsigned __int128 wide = ((unsigned __int128)0x0123456789abcdefULL << 64) | 0xfedcba9876543210ULL;
_BitInt(200) huge = (_BitInt(200))1 << 150;
long double ld = 3.0L / 7.0L;
double d = 0x1.fffffffffffffp-3;
float f = 1e-40f;
__attribute__((aligned(4096))) char page[4096] = "page";
__attribute__((aligned(64))) char line[3] = {1, 2, 3};
char zeros_inside[] = "ab\0cd\0";
uint64_t max = UINT64_MAX;

int main(void) {
    printf("%016llx%016llx\n", (unsigned long long)(wide >> 64), (unsigned long long)wide);
    printf("%d\n", (int)(huge >> 148));
    printf("%.18Lf %a %a\n", ld, d, f);
    printf("%d %d\n", (int)((uintptr_t)page % 4096), (int)((uintptr_t)line % 64));
    printf("%d %s %s\n", (int)sizeof zeros_inside, zeros_inside, zeros_inside + 3);
    printf("%llu %s %d\n", (unsigned long long)max, page, line[2]);
    return 0;
}
