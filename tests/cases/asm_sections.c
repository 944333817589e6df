// Module assembly that writes into sections whose bounds the program names, beside the variables of
// two files, and alone; and what it keeps for its own file, which assembly in functions names.
// FILES: parts/asm_sections_2.c
#include <stdio.h>

__asm__(".section walked,\"aw\"\n.balign 8\n.quad 1, 2, 3\n"
        ".section only_of_assembly,\"a\"\n.balign 8\n.quad 10, 20\n"
        ".text\nhelps: movl $12, %eax\nret\n"
        ".section .rodata\nkept: .long 5\n.text\n");
__attribute__((section("walked"), used)) static long four = 4;
extern long __start_walked[], __stop_walked[];
extern long __start_only_of_assembly[], __stop_only_of_assembly[];

static long sum(const long *from, const long *to) {
    long all = 0;
    while (from < to)
        all += *from++;
    return all;
}

__attribute__((noinline)) static int asks_for_help(void) {
    int got;
    __asm__ volatile("call helps\naddl kept(%%rip), %%eax" : "=a"(got));
    return got;
}

int main(void) {
    printf("%ld %d\n", sum(__start_walked, __stop_walked), (int)(__stop_walked - __start_walked));
    printf("%ld\n", sum(__start_only_of_assembly, __stop_only_of_assembly));
    printf("%d\n", asks_for_help());
    return 0;
}
