// What module assembly defines that is no code: numbers, sizes, common memory, and weak definitions
// that others beat or that beat others' weak ones; read by C, by its tables, and from another file.
// FILES: parts/asm_values_2.c
// NOT-GCC: LLVM's assembler
#include <stdio.h>

__asm__(".globl number\n.set number, 1234\n"
        ".globl nothing\n.set nothing, 0\n"
        ".globl large\nlarge = 0x123456789abc\n"
        ".globl negative\n.equ negative, -5\n"
        ".set for_this_file, 77\n"
        ".data\n.globl text\ntext: .asciz \"twelve bytes\"\ntext_end:\n"
        ".globl text_size\n.set text_size, text_end - text\n"
        ".comm shared_memory, 64, 32\n"
        ".local own_memory\n.comm own_memory, 24, 8\n"
        ".weak beaten_data\nbeaten_data: .long 1\n"
        ".weak kept_data\nkept_data: .long 2\n"
        ".globl beats\nbeats: .long 3\n"
        ".weak never_defined\n"
        ".text\n"
        ".weak beaten_code\n.type beaten_code,@function\nbeaten_code: movl $4, %eax\nret\n"
        ".globl beats_code\n.type beats_code,@function\nbeats_code: movl $5, %eax\nret\n");
extern char number[], nothing[], large[], negative[], for_this_file[], text[], text_size[];
extern int shared_memory[16], own_memory[6], beaten_data, kept_data, beats;
__attribute__((weak)) extern int never_defined;
int beaten_code(void), beats_code(void);
long from_second(void);

char *table[] = {number, negative, large, for_this_file};

int main(void) {
    printf("%ld %ld %lx %ld\n", (long)number, (long)negative, (long)large, (long)for_this_file);
    printf("%d %ld %s\n", (char *volatile){nothing} == 0, (long)text_size, text);
    for (int i = 0; i < 4; i++)
        printf("%lx ", (long)table[i]);
    printf("%ld\n", from_second());
    shared_memory[15] += 1;
    own_memory[5] = 6;
    printf("%d %d %d\n", shared_memory[15], own_memory[5], (int)((long)shared_memory % 32));
    printf("%d %d %d %d\n", beaten_data, kept_data, beats, &never_defined == 0);
    printf("%d %d\n", beaten_code(), beats_code());
    return 0;
}
