// _exit: buffered output is lost, no function runs, the code is the program's.
// EXIT: 3
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void usual(void) { write(1, "usual\n", 6); }

int main(void) {
    static char buffer[1000];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    atexit(usual);
    write(1, "kept\n", 5);
    printf("lost");
    _exit(3);
}
