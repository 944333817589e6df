// Dense and sparse switches, strings chosen by a table, and a jump table in a cold section.
#include <stdio.h>

#define C(n) case n: return n * 7 + 1;
#define C10(n) C(n##0) C(n##1) C(n##2) C(n##3) C(n##4) C(n##5) C(n##6) C(n##7) C(n##8) C(n##9)
__attribute__((noinline)) static int dense(int x) {
    switch (x) {
        C10(1) C10(2) C10(3) C10(4) C10(5) C10(6) C10(7) C10(8) C10(9) C10(10) C10(11) C10(12)
    default: return -1;
    }
}
__attribute__((noinline)) static const char *name(int x) {
    switch (x) {
    case 0: return "zero";
    case 1: return "one";
    case 2: return "two";
    case 3: return "three";
    case 4: return "four";
    case 1000000: return "million";
    case -5: return "minus five";
    default: return "other";
    }
}
__attribute__((noinline)) static long sparse(unsigned long x) {
    switch (x) {
    case 1UL << 40: return 40;
    case 1UL << 41: return 41;
    case 3 ... 5: return 3;
    case ~0UL: return -1;
    default: return 0;
    }
}
__attribute__((cold, noinline)) static int effects(int x, int *out) {
    switch (x) {
    case 0: *out += 1;
    case 1: *out += 2; break;
    case 2: *out *= 3; return 5;
    case 3: *out = dense(*out); break;
    case 4: puts(name(*out)); break;
    case 5: *out -= 4;
    }
    return *out;
}

int main(void) {
    printf("%d %d %d %d\n", dense(10), dense(77), dense(129), dense(130));
    for (int i = -1; i < 6; i++)
        printf("%s ", name(i));
    printf("%s %s\n", name(1000000), name(-5));
    printf("%ld %ld %ld %ld\n", sparse(1UL << 41), sparse(4), sparse(~0UL), sparse(7));
    int v = 1, sum = 0;
    for (int i = 0; i < 7; i++)
        sum = sum * 2 + effects(i, &v);
    printf("%d %d\n", v, sum);
    return 0;
}
