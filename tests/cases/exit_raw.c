// EXIT: 7
// The first thread ends by the system call that ends one thread: that is the process, with its code,
// and without `atexit` functions.
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static void at_exit(void) { write(1, "atexit\n", 7); }
__attribute__((noinline)) static int f(int x) { return x + 1; }
__attribute__((noinline)) static int g(int x) { return f(x) + 1; }
int main(void) {
    atexit(at_exit);
    int x = g(1) + f(2);
    write(1, x == 6 ? "bye\n" : "bad\n", 4);
    syscall(SYS_exit, 7);
    return 0;
}
