// Atomics of a size that no instruction has: the generic functions of libatomic, given with -l.
// LINK: atomic
#include <stdatomic.h>
#include <stdio.h>

struct triple {
    long a, b, c;
};
static _Atomic struct triple larger;

int main(void) {
    atomic_store(&larger, ((struct triple){3, 4, 5}));
    struct triple t = atomic_exchange(&larger, ((struct triple){6, 7, 8}));
    printf("%ld %ld %ld\n", t.a, t.b, t.c);
    t = atomic_load(&larger);
    printf("%ld %ld %ld\n", t.a, t.b, t.c);
    return 0;
}
