// `__start_` and `__stop_` bound a section that two files fill; the entries lie next to one
// another although no code names them.
// FILES: parts/data_sections_2.c
#include <stdio.h>

struct entry {
    const char *name;
    int (*f)(int);
};
#define ENTRY(n, body)                                                                             \
    static int fn_##n(int x) { return body; }                                                      \
    __attribute__((used, section("registry"))) static struct entry entry_##n = {#n, fn_##n};
ENTRY(add, x + 1)
ENTRY(mul, x * 3)

extern struct entry __start_registry[], __stop_registry[];
__attribute__((section("my_data"))) int placed = 12;
__attribute__((section("my_code"))) int placed_code(int x) { return x + placed; }

int main(void) {
    int n = 0, sum = 0;
    for (struct entry *e = __start_registry; e != __stop_registry; e++) {
        n++;
        sum += e->f(10);
    }
    printf("%d entries, %d bytes, sum %d\n", n, (int)((char *)__stop_registry - (char *)__start_registry), sum);
    printf("%s\n", __start_registry[0].name);
    printf("%d\n", placed_code(1));
    return 0;
}
