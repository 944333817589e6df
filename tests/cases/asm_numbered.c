// Numbered labels in the assembly of many functions and of the module, each meaning its own.
#include <stdio.h>

__asm__(".text\n.globl third_bit\n.type third_bit,@function\n"
        "third_bit: testl $4, %edi\njz 1f\nmovl $1, %eax\nret\n1: xorl %eax, %eax\nret\n");
int third_bit(int);

#define COUNTS(name, step)                                                                          \
    __attribute__((noinline)) static int name(int n) {                                              \
        int sum = 0;                                                                                \
        __asm__ volatile("1: testl %1, %1\njz 2f\naddl $" #step ", %0\ndecl %1\njmp 1b\n2:"         \
                         : "+r"(sum), "+r"(n));                                                     \
        return sum;                                                                                 \
    }
COUNTS(by_one, 1)
COUNTS(by_two, 2)
COUNTS(by_three, 3)
COUNTS(by_four, 4)

int main(void) {
    printf("%d %d\n", third_bit(4), third_bit(3));
    printf("%d %d %d %d\n", by_one(5), by_two(5), by_three(5), by_four(5));
    return 0;
}
