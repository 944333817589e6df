// Inline assembly with symbol operands, local labels, `asm goto`, memory and register
// operands, and a call of an external function from assembly.
// NOT-GCC: an operand of clang's
#include <stdio.h>
#include <string.h>

int table[4] = {10, 20, 30, 40};
int addend(int x) { return x + 5; }

static int with_symbol(void) {
    int r;
    __asm__("movl %c1+8(%%rip), %0" : "=r"(r) : "i"(table));
    return r;
}

static int with_goto(int x) {
    __asm__ goto("testl %0, %0\n\tjs %l[negative]\n\tjz %l[zero]" : : "r"(x) : "cc" : negative, zero);
    return 1;
negative:
    return -1;
zero:
    return 0;
}

static long with_labels(long n) {
    long sum;
    __asm__("xorl %k0, %k0\n"
            "1: testq %1, %1\n"
            "jz 2f\n"
            "addq %1, %0\n"
            "decq %1\n"
            "jmp 1b\n"
            "2:\n"
            : "=&r"(sum), "+r"(n)
            :
            : "cc");
    return sum;
}

static int with_call(int x) {
    int r;
    __asm__ volatile("subq $128, %%rsp\n"
                     "pushq %%rbp\n"
                     "movq %%rsp, %%rbp\n"
                     "andq $-16, %%rsp\n"
                     "call addend@PLT\n"
                     "movq %%rbp, %%rsp\n"
                     "popq %%rbp\n"
                     "addq $128, %%rsp\n"
                     : "=a"(r)
                     : "D"(x)
                     : "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
    return r;
}

int main(void) {
    printf("%d\n", with_symbol());
    printf("%d %d %d\n", with_goto(-4), with_goto(0), with_goto(9));
    printf("%ld\n", with_labels(100));
    printf("%d\n", with_call(37));
    return 0;
}
