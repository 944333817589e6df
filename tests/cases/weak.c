// Weak functions and data: overridden by another file, kept where nothing overrides them, and
// the weak alias of a strong function.
// FILES: parts/weak_2.c
// ALIAS: weak_alias=strong
#include <stdio.h>

__attribute__((weak)) int overridden(void) { return 1; }
__attribute__((weak)) int kept(void) { return 2; }
__attribute__((weak)) int weak_data = 3;
__attribute__((weak)) int kept_data = 4;
int strong(void) { return 5; }
int weak_alias(void) __attribute__((weak, alias("strong")));
int lost_alias(void) __attribute__((weak, alias("strong")));
int (*table[])(void) = {overridden, kept, weak_alias, lost_alias};
int call_from_2(void);

int main(void) {
    printf("%d %d %d %d\n", overridden(), kept(), weak_data, kept_data);
    printf("%d %d\n", weak_alias(), lost_alias());
    for (int i = 0; i < 4; i++)
        printf("%d ", table[i]());
    printf("%d\n", call_from_2());
    return 0;
}
