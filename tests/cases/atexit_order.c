// `atexit` functions in reverse order, one of them registering another and calling a function
// for the first time; `on_exit` gets the status; output buffers are flushed at the end.
// EXIT: 5
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>

static void nested(void) { puts("nested"); }
static int first_called_at_exit(int x) { return x + 1; }
static void a(void) {
    printf("a %d\n", first_called_at_exit(1));
    printf("no newline at the end");
}
static void b(void) {
    puts("b");
    atexit(nested);
}
static void c(int status, void *arg) { printf("c %d %s\n", status, (char *)arg); }

int main(void) {
    atexit(a);
    atexit(b);
    on_exit(c, "argument");
    puts("main");
    exit(5);
}
