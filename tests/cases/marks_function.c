// Calls through pointers compare the function's type with theirs, where the function has a mark before
// its address: those of a file in which nothing is checked have one, those of the C library have none.
// FLAGS: -fsanitize=function -fsanitize-trap=function
// FILES: parts/marks_function_2.c
// SIGNAL: ILL
// NOT-GCC: options of clang's
#include <stdio.h>
#include <stdlib.h>

int next(int x);
long wide(long x);

int (*volatile pointer)(int) = next;
int (*volatile foreign)(const char *) = (int (*)(const char *))atoi;
static int own(int x) { return x * 2; }

int main(void) {
    printf("%d %d\n", pointer(1), foreign("12"));
    pointer = own;
    printf("%d\n", pointer(4));
    fflush(stdout);
    pointer = (int (*)(int))wide;
    printf("%d\n", pointer(2));
    return 0;
}
