// 16-byte atomics: at the baseline CPU they are calls of `__atomic_*_16`, which natively
// libatomic supplies and here the engine does.
// NATIVE-FLAGS: -latomic
#include <stdatomic.h>
#include <stdio.h>

struct pair {
    long a, b;
};
static _Atomic struct pair shared;
static _Atomic unsigned __int128 wide;

int main(void) {
    atomic_store(&shared, ((struct pair){1, 2}));
    struct pair p = atomic_load(&shared);
    printf("%ld %ld\n", p.a, p.b);
    struct pair expected = p, desired = {10, 20};
    int done = atomic_compare_exchange_strong(&shared, &expected, desired);
    p = atomic_load(&shared);
    printf("%d %ld %ld\n", done, p.a, p.b);
    expected = (struct pair){0, 0};
    done = atomic_compare_exchange_strong(&shared, &expected, desired);
    printf("%d %ld %ld\n", done, expected.a, expected.b);
    p = atomic_exchange(&shared, ((struct pair){6, 7}));
    printf("%ld %ld\n", p.a, p.b);
    atomic_fetch_add(&wide, (unsigned __int128)1 << 70);
    atomic_fetch_add(&wide, 5);
    unsigned __int128 w = wide;
    printf("%llx %llx\n", (unsigned long long)(w >> 64), (unsigned long long)w);
    return 0;
}
