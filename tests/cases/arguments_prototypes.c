// Calls with prototypes that differ from the definition: no prototype, another result, fewer
// and more arguments than are used; and K&R definitions.
// FILES: parts/arguments_prototypes_2.c
// FLAGS: -std=gnu89
#include <stdio.h>

int sum3();
char narrow();
long as_long();
double promoted();
int old_style();
int ignores();

int old_here(a, b)
int a;
char *b;
{
    return a + b[0];
}

int main(void) {
    printf("%d\n", sum3(1, 2, 3));
    printf("%d\n", narrow(65));
    printf("%ld\n", as_long(-3L));
    printf("%f\n", promoted(1.5f, 'c'));
    printf("%d\n", old_style(1, 2.0));
    printf("%d\n", ignores(1, 2, 3, 4));
    printf("%d\n", old_here(1, "a"));
    return 0;
}
