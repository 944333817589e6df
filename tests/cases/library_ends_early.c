// A library's constructor ends a child before the program has begun: what it has registered runs,
// no destructors do. The parent goes on.
// SHARED: parts/ends_early.c
// EXIT: 9
#include <stdio.h>

int answer(void);

__attribute__((constructor)) static void begins(void) { puts("program begins"); }
__attribute__((destructor)) static void ends(void) { puts("program ends"); }

int main(void) { return answer(); }
