#include <stdio.h>
__attribute__((constructor(500))) static void between(void) { puts("between"); }
__attribute__((destructor(500))) static void between_out(void) { puts("destructor 500"); }
