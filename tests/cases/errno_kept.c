// errno survives the first call of a function, and a call of libc whose first use is resolved
// between setting and reading it.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((noinline)) static int fresh_1(void) { return errno; }
__attribute__((noinline)) static int fresh_2(int x) { return x + errno; }

int main(void) {
    errno = 42;
    int a = fresh_1();
    int b = fresh_2(100);
    int c = abs(-3);
    int d = errno;
    printf("%d %d %d %d\n", a, b, c, d);
    close(-1);
    printf("%d\n", errno == EBADF);
    return 0;
}
