// Functions that must be inlined, defined beside those that call them: whichever are compiled together,
// the helper's frame is its caller's. One is also called through a pointer, one calls itself, and one
// has a static variable, of which there is one.
// EXIT: 0
#include <stdio.h>

#define INLINED static inline __attribute__((always_inline))

INLINED void *own_frame(void) { return __builtin_frame_address(0); }
INLINED void *frame_below(void) { return own_frame(); }
INLINED int count(void) {
    static int calls;
    return ++calls;
}
INLINED int twice(int x) { return 2 * x; }
INLINED int sum_to(int n) { return n > 0 ? n + sum_to(n - 1) : 0; }
__attribute__((always_inline)) inline int seen_outside(int x) { return x - 3; }
extern int seen_outside(int x);

int (*volatile by_pointer)(int) = twice;
int (*const table[])(int) = {sum_to, twice, seen_outside};

#define CALLER(name)                                                                              \
    __attribute__((noinline)) static int name(void) {                                             \
        void *here = __builtin_frame_address(0);                                                  \
        return (own_frame() == here) + (frame_below() == here);                                   \
    }
CALLER(first)
CALLER(second)
CALLER(third)
CALLER(fourth)

int main(void) {
    printf("%d %d %d %d\n", first(), second(), third(), fourth());
    int calls = count();
    calls += count();
    printf("%d %d %d %d\n", calls, twice(4), sum_to(5), seen_outside(9));
    printf("%d\n", by_pointer(6));
    for (int i = 0; i < 3; i++)
        printf("%d ", table[i](7));
    printf("%d\n", table[1] == by_pointer);
    return own_frame() != __builtin_frame_address(0);
}
