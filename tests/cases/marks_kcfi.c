// Calls through pointers check a hash of the type that lies before the function's address, wherever
// the address comes from; direct calls check nothing.
// FLAGS: -fsanitize=kcfi
// FILES: parts/marks_kcfi_2.c
// EXIT: 0
// NOT-GCC: options of clang's
#include <stdio.h>

typedef int (*operation)(int, int);

extern const operation others[2];
operation choose(int which);
int apply(operation what, int a, int b);

static int add(int a, int b) { return a + b; }
int subtract(int a, int b) { return b ? subtract(a, b - 1) - 1 : a; }
static const operation table[] = {add, subtract};

struct object {
    operation method;
    int value;
};

int main(void) {
    struct object object = {add, 40};
    for (int i = 0; i < 2; i++)
        printf("%d %d %d\n", table[i](7, 5), others[i](7, 5), choose(i)(7, 5));
    printf("%d\n", apply(subtract, 9, 4) + apply(object.method, object.value, 2));
    return others[0] == choose(2) ? 0 : 1;
}
