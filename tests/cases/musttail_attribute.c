// clang's musttail attribute, in a direct-threaded interpreter: each step is a tail call through
// a table, and the registers that the convention leaves are all in use.
// NOT-GCC: an attribute of clang's
#include <stdio.h>

typedef long (*op)(const unsigned char *, long, long, long, long, long);
static const op table[4];
#define NEXT __attribute__((musttail)) return table[*code](code + 1, a, b, c, d, e)
static long op_add(const unsigned char *code, long a, long b, long c, long d, long e) {
    a += b;
    NEXT;
}
static long op_rotate(const unsigned char *code, long a, long b, long c, long d, long e) {
    long t = a;
    a = b, b = c, c = d, d = e, e = t;
    NEXT;
}
static long op_jump(const unsigned char *code, long a, long b, long c, long d, long e) {
    if (e-- > 0)
        code -= 3;
    NEXT;
}
static long op_halt(const unsigned char *code, long a, long b, long c, long d, long e) {
    return a + 10 * b + 100 * c + 1000 * d;
}
static const op table[4] = {op_add, op_rotate, op_jump, op_halt};

int main(void) {
    static const unsigned char code[] = {0, 0, 2, 1, 3};
    printf("%ld\n", table[code[0]](code + 1, 1, 2, 3, 4, 200000));
    return 0;
}
