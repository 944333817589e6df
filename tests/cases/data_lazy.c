// Data that points at data, at functions and into itself; written before and after the first
// call of the functions that read it.
// COMPILED: main read_chain bump
// NOT-COMPILED: never
#include <stdio.h>

struct node {
    int value;
    struct node *next;
    int (*f)(int);
};
static int twice(int x) { return 2 * x; }
static int square(int x) { return x * x; }
int never(int x) { return x / 0x7; }

extern struct node ring[3];
struct node ring[3] = {{1, &ring[1], twice}, {2, &ring[2], square}, {3, &ring[0], twice}};
int array[1000] = {[999] = 7};
int *into_array = &array[999];
int **to_pointer = &into_array;
static int zeros[50000];
const char *const words[] = {"alpha", "beta", "gamma", 0};

int read_chain(int n) {
    struct node *p = ring;
    int r = 0;
    while (n--) {
        r = r * 3 + p->f(p->value);
        p = p->next;
    }
    return r;
}
void bump(void) {
    **to_pointer += 1;
    zeros[49999] += array[999];
}

int main(int argc, char **argv) {
    if (argc > 5)
        return never(argc);
    printf("%d\n", read_chain(7));
    ring[1].f = twice;
    ring[2].value = 30;
    printf("%d\n", read_chain(7));
    bump();
    bump();
    printf("%d %d %d\n", array[999], zeros[49999], zeros[0]);
    for (int i = 0; words[i]; i++)
        puts(words[i]);
    return 0;
}
