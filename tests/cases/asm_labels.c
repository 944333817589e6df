// Labels that assembly within functions defines and others name: before the function is compiled and
// after, in sections of their own, with values of their own, for the file alone, weak.
// FILES: parts/asm_labels_2.c
// NOT-GCC: LLVM's assembler
#include <stdio.h>

extern char before[], after[], only_here[], in_second[], weak_one[], seven[];
extern int made_data[];

__attribute__((noinline)) static int has_labels(int x) {
    __asm__ volatile(".globl before\nbefore: nop");
    __asm__ volatile("only_here: nop\n"
                     ".weak weak_one\nweak_one: nop\n"
                     ".globl seven\n.set seven, 7");
    return x + 1;
}

__attribute__((noinline)) static int has_data(int x) {
    __asm__ volatile(".pushsection .rodata.made, \"a\", @progbits\n"
                     ".balign 4\n.globl made_data\nmade_data: .long 3, 4, 5\n"
                     ".popsection");
    return x + made_data[1];
}

__attribute__((noinline)) static int has_another(int x) {
    __asm__ volatile(".globl after\nafter: nop");
    return x + 2;
}

// Assembly that names a label of another function's.
__attribute__((noinline)) static int asks_for_label(void) {
    unsigned long here, there;
    __asm__ volatile("leaq only_here(%%rip), %0\nleaq before(%%rip), %1"
                     : "=r"(here), "=r"(there));
    return here > there && here - there < 100;
}

int adds_second(int), reads_second(void);

int main(void) {
    char *volatile at = before;
    printf("%d %d\n", has_labels(1), at != 0);
    printf("%d %d\n", only_here - before, weak_one - only_here);
    printf("%d\n", (int)(long)seven);
    printf("%d %d\n", made_data[2], has_data(1));
    printf("%d\n", has_another(1));
    at = after;
    printf("%d\n", at != 0);
    printf("%d\n", asks_for_label());
    printf("%d\n", reads_second());
    at = in_second;
    printf("%d %d\n", at != 0, adds_second(8));
    return 0;
}
