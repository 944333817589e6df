// An internal function and an internal global that only inline assembly and module assembly
// name: they must keep their names.
#include <stdio.h>

__attribute__((used)) static int hidden_value = 41;
__attribute__((used)) static long hidden_function(void) { return hidden_value + 1; }

__asm__(".text\n"
        ".globl asm_entry\n"
        ".type asm_entry,@function\n"
        "asm_entry:\n"
        "  subq $8, %rsp\n"
        "  call hidden_function\n"
        "  addq $8, %rsp\n"
        "  addq $100, %rax\n"
        "  ret\n"
        ".size asm_entry, .-asm_entry\n");
long asm_entry(void);

int main(void) {
    int seen;
    __asm__ volatile("movl hidden_value(%%rip), %0" : "=r"(seen));
    printf("%d %ld\n", seen, asm_entry());
    hidden_value = 50;
    printf("%ld\n", asm_entry());
    return 0;
}
