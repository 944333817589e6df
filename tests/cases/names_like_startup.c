// Names that start-up code has: functions and data of the program that a linker or libc might
// also define, all unreachable from outside.
#include <stdio.h>

static int _start_count = 1;
int _start2(void) { return _start_count++; }
static int _init(void) { return 10; }
static int _fini(void) { return 20; }
static int __libc_start_main(int x) { return x + 30; }
static int _dl_start(void) { return 40; }
static int environ_like = 50;
static int data_start = 60;
static int __bss_start_like;
int rewire_main(void) { return 70; }

int main(void) {
    printf("%d %d %d %d %d\n", _start2(), _init(), _fini(), __libc_start_main(0), _dl_start());
    printf("%d %d %d %d\n", environ_like, data_start, __bss_start_like, rewire_main());
    return 0;
}
