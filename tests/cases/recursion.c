// Recursion: deep with a small frame, deep through a pointer, mutual, and Ackermann's function.
#include <stdio.h>

static int depth(int n) { return n == 0 ? 0 : depth(n - 1) + 1; }
static int is_odd(int);
static int is_even(int n) { return n == 0 ? 1 : is_odd(n - 1); }
static int is_odd(int n) { return n == 0 ? 0 : is_even(n - 1); }
static int through(int (*f)(int, void *), int n) { return f(n, (void *)f); }
static int pointed(int n, void *self) {
    return n <= 1 ? 1 : n + through((int (*)(int, void *))self, n - 1);
}
static int ack(int m, int n) {
    return m == 0 ? n + 1 : n == 0 ? ack(m - 1, 1) : ack(m - 1, ack(m, n - 1));
}

int main(void) {
    printf("%d\n", depth(50000));
    printf("%d %d\n", is_even(10001), is_odd(10001));
    printf("%d\n", through(pointed, 1000));
    printf("%d\n", ack(2, 9));
    return 0;
}
