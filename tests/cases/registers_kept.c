// Every register that passes an argument, and every one that a callee must keep, has its value
// over a first call; checked by assembly that fills them.
#include <stdio.h>

__attribute__((noinline, used)) int callee_1(void) { return 5; }
__attribute__((noinline, used)) long callee_2(long a, long b, long c, long d, long e, long f) {
    return a + b * 10 + c * 100 + d * 1000 + e * 10000 + f * 100000;
}

// Fills rbx, rbp and r12 to r15, calls, and returns the number of those that changed.
long kept_over(int (*f)(void));
__asm__(".text\n"
        ".globl kept_over\n"
        ".type kept_over,@function\n"
        "kept_over:\n"
        ".cfi_startproc\n"
        "  pushq %rbx\n .cfi_adjust_cfa_offset 8\n"
        "  pushq %rbp\n .cfi_adjust_cfa_offset 8\n"
        "  pushq %r12\n .cfi_adjust_cfa_offset 8\n"
        "  pushq %r13\n .cfi_adjust_cfa_offset 8\n"
        "  pushq %r14\n .cfi_adjust_cfa_offset 8\n"
        "  pushq %r15\n .cfi_adjust_cfa_offset 8\n"
        "  subq $8, %rsp\n .cfi_adjust_cfa_offset 8\n"
        "  movq $101, %rbx\n"
        "  movq $102, %rbp\n"
        "  movq $103, %r12\n"
        "  movq $104, %r13\n"
        "  movq $105, %r14\n"
        "  movq $106, %r15\n"
        "  call *%rdi\n"
        "  xorl %eax, %eax\n"
        "  cmpq $101, %rbx\n  je 1f\n  incq %rax\n"
        "1: cmpq $102, %rbp\n  je 2f\n  incq %rax\n"
        "2: cmpq $103, %r12\n  je 3f\n  incq %rax\n"
        "3: cmpq $104, %r13\n  je 4f\n  incq %rax\n"
        "4: cmpq $105, %r14\n  je 5f\n  incq %rax\n"
        "5: cmpq $106, %r15\n  je 6f\n  incq %rax\n"
        "6: addq $8, %rsp\n .cfi_adjust_cfa_offset -8\n"
        "  popq %r15\n .cfi_adjust_cfa_offset -8\n"
        "  popq %r14\n .cfi_adjust_cfa_offset -8\n"
        "  popq %r13\n .cfi_adjust_cfa_offset -8\n"
        "  popq %r12\n .cfi_adjust_cfa_offset -8\n"
        "  popq %rbp\n .cfi_adjust_cfa_offset -8\n"
        "  popq %rbx\n .cfi_adjust_cfa_offset -8\n"
        "  ret\n"
        ".cfi_endproc\n"
        ".size kept_over, .-kept_over\n");

int main(void) {
    printf("%ld\n", kept_over(callee_1));
    printf("%ld\n", callee_2(1, 2, 3, 4, 5, 6));
    printf("%ld\n", kept_over(callee_1));
    return 0;
}
