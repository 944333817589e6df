// `inline` of C99 (available_externally), `extern inline`, `static inline`, gnu_inline and
// always_inline, with the external bodies in another file.
// FILES: parts/inline_kinds_2.c
#include <stdio.h>

inline int plain(int x) { return x + 1; }
static inline int internal(int x) { return x + 2; }
__attribute__((always_inline)) static inline int always(int x) { return x + 4; }
__attribute__((always_inline)) inline int always_external(int x) { return always(x) + 8; }
extern inline __attribute__((gnu_inline)) int gnu(int x) { return x + 16; }
int address_matches(int (*)(int), int (*)(int));

int main(void) {
    printf("%d %d %d %d %d\n", plain(0), internal(0), always(0), always_external(0), gnu(0));
    printf("%d\n", address_matches(plain, gnu));
    return 0;
}
