// The address of a function taken in C, in a static table, and in assembly is one address.
#include <stdio.h>

int target(int x) { return x ^ 1; }
int (*const in_table[])(int) = {target, target};

int main(void) {
    int (*by_asm)(int);
    __asm__("leaq target(%%rip), %0" : "=r"(by_asm));
    int (*by_c)(int) = target;
    printf("%d\n", by_c == by_asm);
    printf("%d %d\n", in_table[0] == by_c, in_table[1] == by_asm);
    printf("%d %d %d\n", by_asm(4), target(4), in_table[0](4));
    printf("%d\n", by_c == target);
    return 0;
}
