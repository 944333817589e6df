// Top-level assembly that calls a C function, jumps to another in tail position, and holds its
// address in data; none of them was called before.
#include <stdio.h>

int called(int x) { return x + 1; }
int jumped(int x) { return x * 2; }
__asm__(".text\n"
        ".globl from_asm\n"
        ".type from_asm,@function\n"
        "from_asm:\n"
        "  subq $8, %rsp\n"
        "  call called@PLT\n"
        "  addq $8, %rsp\n"
        "  movl %eax, %edi\n"
        "  jmp jumped@PLT\n"
        ".size from_asm, .-from_asm\n"
        ".section .data.rel,\"aw\",@progbits\n"
        ".globl asm_table\n"
        ".p2align 3\n"
        "asm_table: .quad called, jumped\n"
        ".text\n");
int from_asm(int);
extern int (*asm_table[2])(int);

int main(void) {
    printf("%d\n", from_asm(20));
    printf("%d %d\n", asm_table[0](1), asm_table[1](8));
    printf("%d %d\n", asm_table[0] == called, asm_table[1] == jumped);
    return 0;
}
