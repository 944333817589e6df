// Frames found by their pointers alone: the chain of %rbp leads from an inner function through the
// program's frames, also those that were compiled on a first call in between.
// FLAGS: -fno-omit-frame-pointer -mno-omit-leaf-frame-pointer
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct frame {
    struct frame *up;
    void *returns_to;
};
static int frames_between(struct frame *from, struct frame *to) {
    int n = 0;
    while (from != to && n < 1000) {
        if (from->up <= from)
            return -1;
        from = from->up;
        n++;
    }
    return n;
}
static struct frame *outermost;
__attribute__((noinline)) static int leaf(int x) {
    int n = frames_between(__builtin_frame_address(0), outermost);
    __asm__ volatile("" : "+r"(n));
    return n;
}
__attribute__((noinline)) static int three(int x) {
    int r = leaf(x);
    __asm__ volatile("" : "+r"(r));
    return r;
}
__attribute__((noinline)) static int two(int (*volatile f)(int), int x) {
    volatile char room[x];
    room[0] = 1;
    int r = f(x);
    __asm__ volatile("" : "+r"(r));
    return r + (room[0] - 1);
}
__attribute__((noinline)) static int recurse(int n) {
    int r = n ? recurse(n - 1) : two(three, 100);
    __asm__ volatile("" : "+r"(r));
    return r;
}
int main(void) {
    outermost = __builtin_frame_address(0);
    printf("%d\n", leaf(1));
    printf("%d\n", two(three, 10));
    printf("%d %d\n", recurse(0), recurse(9));
    return 0;
}
