void said(const char *what);
void asm_in_second(void) { said("asm_in_second"); }
void asm_in_second_last(void) { said("asm_in_second_last"); }
__attribute__((constructor)) static void declared_in_second(void) { said("declared_in_second"); }
__attribute__((destructor)) static void undeclared_in_second(void) { said("undeclared_in_second"); }
__asm__(".section .init_array,\"aw\"\n.balign 8\n.quad asm_in_second\n"
        ".section .fini_array,\"aw\"\n.balign 8\n.quad asm_in_second_last\n"
        ".text\n");
