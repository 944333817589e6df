// asm goto (callbr): jumps to labels of the function, with outputs, in a loop, and from a
// function that is first called within such a jump's way.
#include <stdio.h>

static int fresh(int x) { return x * 3; }
static int is_negative(long v) {
    __asm__ goto("testq %0, %0\n\tjs %l[yes]" : : "r"(v) : "cc" : yes);
    return 0;
yes:
    return fresh(1);
}
static int with_output(int v) {
    int out;
    __asm__ goto("leal 1(%1), %0\n\ttestl $1, %1\n\tjnz %l2" : "=&r"(out) : "r"(v) : "cc" : odd);
    return out;
odd:
    return -out;
}
static int three_ways(int v) {
    int rounds = 0;
again:
    rounds++;
    __asm__ goto("cmpl $10, %0\n\tjg %l[big]\n\tcmpl $5, %0\n\tjl %l[small]"
                 : : "r"(v) : "cc" : big, small);
    return rounds * 100 + fresh(v);
small:
    v += 3;
    goto again;
big:
    v -= 4;
    goto again;
}
int main(void) {
    printf("%d %d\n", is_negative(5), is_negative(-5));
    printf("%d %d\n", with_output(4), with_output(5));
    printf("%d %d %d\n", three_ways(7), three_ways(30), three_ways(-9));
    return 0;
}
