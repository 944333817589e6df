// Module assembly that writes into the tables of constructors and destructors, of all kinds, beside
// those that C declares, in two files.
// FILES: parts/asm_tables_2.c
#include <stdio.h>

void said(const char *what) { puts(what); }
#define SAYS(name) void name(void) { said(#name); }
SAYS(asm_preinit)
SAYS(asm_first)
SAYS(asm_second)
SAYS(asm_early)
SAYS(asm_old)
SAYS(asm_older)
SAYS(asm_old_early)
SAYS(asm_last)
SAYS(asm_last_but_one)
SAYS(asm_late)
SAYS(asm_old_last)
__attribute__((constructor)) static void declared(void) { said("declared"); }
__attribute__((constructor(150))) static void declared_early(void) { said("declared_early"); }
__attribute__((destructor)) static void undeclared(void) { said("undeclared"); }

__asm__(".section .init_array,\"aw\"\n.balign 8\n.quad asm_first, asm_second\n"
        ".section .init_array.00120,\"aw\"\n.balign 8\n.quad asm_early\n"
        ".section .ctors,\"aw\",@progbits\n.balign 8\n.quad asm_old, asm_older\n"
        ".section .ctors.65400,\"aw\",@progbits\n.balign 8\n.quad asm_old_early\n"
        ".section .preinit_array,\"aw\"\n.balign 8\n.quad asm_preinit\n"
        ".section .fini_array,\"aw\"\n.balign 8\n.quad asm_last, asm_last_but_one\n"
        ".section .fini_array.00120,\"aw\"\n.balign 8\n.quad asm_late\n"
        ".section .dtors,\"aw\",@progbits\n.balign 8\n.quad asm_old_last\n"
        ".text\n");

int main(void) {
    puts("main");
    return 0;
}
