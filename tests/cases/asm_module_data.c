// Module assembly that defines data, a function and a local label; C names them.
#include <stdio.h>

__asm__(".data\n"
        ".globl asm_data\n"
        ".p2align 2\n"
        ".type asm_data,@object\n"
        "asm_data: .long 11, 22, 33\n"
        ".size asm_data, 12\n"
        ".text\n"
        ".globl asm_third\n"
        ".type asm_third,@function\n"
        "asm_third:\n"
        "  leaq .Lbase(%rip), %rax\n"
        "  movl 8(%rax), %eax\n"
        "  ret\n"
        ".size asm_third, .-asm_third\n"
        ".data\n"
        ".set .Lbase, asm_data\n");
extern int asm_data[3];
int asm_third(void);

int main(void) {
    printf("%d %d\n", asm_data[0], asm_third());
    asm_data[2] = 44;
    printf("%d\n", asm_third());
    return 0;
}
