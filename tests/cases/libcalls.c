// Library functions that no IR declares: the code generator calls them for big copies, 128-bit
// division and multiplication, remainders, and conversions.
// LINK: m
#include <stdio.h>
#include <math.h>

struct big {
    char bytes[5000];
};
__attribute__((noinline)) static struct big copy(struct big *from) { return *from; }
__attribute__((noinline)) static void clear(struct big *b) { *b = (struct big){{0}}; }

typedef __int128 i128;
typedef unsigned __int128 u128;
static volatile u128 un = ((u128)0xdeadbeefcafebabeULL << 64) | 0x0123456789abcdefULL;
static volatile u128 ud = ((u128)0x3 << 64) | 0x987654321ULL;
static volatile i128 sn = -((((i128)1 << 100) + 12345));
static volatile i128 sd = 1000000007;
static volatile double x = 10.75, y = 3.5;
static volatile float fx = -7.25f, fy = 2.0f;

static void print128(u128 v) {
    printf("%016llx%016llx\n", (unsigned long long)(v >> 64), (unsigned long long)v);
}

int main(void) {
    static struct big a;
    a.bytes[0] = 1;
    a.bytes[4999] = 2;
    struct big b = copy(&a);
    printf("%d %d\n", b.bytes[0], b.bytes[4999]);
    clear(&b);
    printf("%d %d\n", b.bytes[0], b.bytes[4999]);
    print128(un / ud);
    print128(un % ud);
    print128((u128)(sn / sd));
    print128((u128)(sn % sd));
    print128(un * ud);
    printf("%a %a\n", fmod(x, y), (double)fmodf(fx, fy));
    printf("%a %a\n", (double)un, (double)(float)sn);
    print128((u128)(i128)(x * 1e30));
    printf("%.6Lf\n", (long double)un / 1e30L);
    print128((u128)(long double)1e25L);
    return 0;
}
