// EXIT: 8
// exec in the main program replaces the process; nothing of the old one runs after it.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static void usual(void) { puts("usual"); }
int main(void) {
    atexit(usual);
    puts("before");
    fflush(stdout);
    execl("/bin/sh", "sh", "-c", "echo after; exit 8", (char *)0);
    return 1;
}
