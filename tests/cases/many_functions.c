// A thousand functions, each called directly and a hundred of them by a table; a thousand more
// that are never called.
// COMPILED: main f000 f999
// NOT-COMPILED: never000 never500 never999
#include <stdio.h>

#define F(n) __attribute__((noinline)) static int f##n(int x) { return (int)((unsigned)x * 3 + 1##n); }
#define N(n) int never##n(int x) { return missing_function_of_the_case(x) + 1##n; }
#define CALL(n) x = f##n(x);
#define POINT(n) f##n,
#define TEN(M, n) M(n##0) M(n##1) M(n##2) M(n##3) M(n##4) M(n##5) M(n##6) M(n##7) M(n##8) M(n##9)
#define HUNDRED(M, n) TEN(M, n##0) TEN(M, n##1) TEN(M, n##2) TEN(M, n##3) TEN(M, n##4) TEN(M, n##5) TEN(M, n##6) TEN(M, n##7) TEN(M, n##8) TEN(M, n##9)
#define ALL(M) HUNDRED(M, 0) HUNDRED(M, 1) HUNDRED(M, 2) HUNDRED(M, 3) HUNDRED(M, 4) HUNDRED(M, 5) HUNDRED(M, 6) HUNDRED(M, 7) HUNDRED(M, 8) HUNDRED(M, 9)

static int missing_function_of_the_case(int x) { return x; }
ALL(F)
ALL(N)
static int (*const table[])(int) = {HUNDRED(POINT, 4)};

static int group_0(int x) { HUNDRED(CALL, 0) return x; }
static int group_1(int x) { HUNDRED(CALL, 1) return x; }
static int group_2(int x) { HUNDRED(CALL, 2) return x; }
static int group_3(int x) { HUNDRED(CALL, 3) return x; }
static int group_4(int x) { HUNDRED(CALL, 4) return x; }
static int group_5(int x) { HUNDRED(CALL, 5) return x; }
static int group_6(int x) { HUNDRED(CALL, 6) return x; }
static int group_7(int x) { HUNDRED(CALL, 7) return x; }
static int group_8(int x) { HUNDRED(CALL, 8) return x; }
static int group_9(int x) { HUNDRED(CALL, 9) return x; }

int main(void) {
    int x = 1;
    for (int i = 0; i < 100; i++)
        x = table[i](x) & 0xffffff;
    printf("%d\n", x);
    x = group_9(group_8(group_7(group_6(group_5(x & 7)))));
    x = group_4(group_3(group_2(group_1(group_0(x)))));
    printf("%u\n", (unsigned)x);
    return 0;
}
