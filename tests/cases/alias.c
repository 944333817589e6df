// Aliases of functions and data: one address, one state, also for internal aliasees and through
// chains of aliases, and across files.
// FILES: parts/alias_2.c
// ALIAS: front=impl
// ALIAS: front_again=impl
// ALIAS: front_again=front
// ALIAS: visible=stored
#include <stdio.h>

static int count;
static int impl(int x) { return x + ++count; }
int front(int) __attribute__((alias("impl")));
int front_again(int) __attribute__((alias("front")));
static int stored = 6;
extern int visible __attribute__((alias("stored")));
int call_front_again(int);
int *address_of_visible(void);
int (*address_of_front(void))(int);

int main(void) {
    printf("%d %d %d %d\n", impl(10), front(10), front_again(10), call_front_again(10));
    visible = 9;
    printf("%d %d\n", stored, *address_of_visible());
    printf("%d %d %d\n", front == front_again, front == impl, address_of_front() == impl);
    // Through a volatile: the front end folds a comparison of two different names.
    int *volatile by_alias = &visible, *volatile by_name = &stored;
    printf("%d %d\n", by_alias == by_name, address_of_visible() == by_name);
    return 0;
}
