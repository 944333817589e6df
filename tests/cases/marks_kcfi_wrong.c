// A call through a pointer of another type than the function's ends the program.
// FLAGS: -fsanitize=kcfi
// SIGNAL: ILL
// NOT-GCC: options of clang's
#include <stdio.h>

long widen(long x) { return x; }
static int narrow(int x) { return x + 1; }
void *volatile pointer;

int main(void) {
    pointer = narrow;
    printf("%d\n", ((int (*)(int))pointer)(1));
    fflush(stdout);
    pointer = widen;
    printf("%d\n", ((int (*)(int))pointer)(1));
    return 0;
}
