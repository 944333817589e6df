// A name given with an assembly label carries the `\01` prefix in IR; it names the same symbol
// as the plain name does.
// FILES: parts/names_raw_prefix_2.c
#include <stdio.h>

int renamed(int) __asm__("actual_name");
int own(int x) __asm__("own_label");
int own(int x) { return x * 7; }
extern int value __asm__("actual_value");
int puts_by_label(const char *) __asm__("puts");
int via_other_file(int);

int main(void) {
    printf("%d %d %d\n", renamed(4), own(3), value);
    value = 9;
    printf("%d\n", via_other_file(2));
    puts_by_label("label");
    return 0;
}
