// 16-byte atomics: calls of libatomic's functions at the baseline CPU, and the generic ones for
// a size that no instruction has.
// LINK: atomic
#include <stdatomic.h>
#include <stdio.h>

struct pair {
    long a, b;
};
struct triple {
    long a, b, c;
};
static _Atomic struct pair shared = {1, 2};
static _Atomic struct triple larger = {3, 4, 5};
static _Atomic unsigned __int128 wide;

int main(void) {
    struct pair p = atomic_load(&shared);
    printf("%ld %ld\n", p.a, p.b);
    struct pair expected = p, desired = {10, 20};
    int done = atomic_compare_exchange_strong(&shared, &expected, desired);
    p = atomic_load(&shared);
    printf("%d %ld %ld\n", done, p.a, p.b);
    struct triple t = atomic_exchange(&larger, ((struct triple){6, 7, 8}));
    printf("%ld %ld %ld\n", t.a, t.b, t.c);
    atomic_fetch_add(&wide, (unsigned __int128)1 << 70);
    atomic_fetch_add(&wide, 5);
    unsigned __int128 w = wide;
    printf("%llx %llx\n", (unsigned long long)(w >> 64), (unsigned long long)w);
    return 0;
}
