// Constructors and destructors with priorities over two files; constructors get argc, argv and
// envp as glibc gives them; destructors run after `atexit` functions, in reverse.
// FILES: parts/ctors_2.c
// ARGS: x y
// ENV: CTOR_CASE=1
// EXIT: 7
// COMPILED: main early late plain last_out
// NOT-COMPILED: never
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((constructor(101))) static void early(int argc, char **argv, char **envp) {
    int seen = 0;
    for (char **e = envp; *e; e++)
        seen |= !strcmp(*e, "CTOR_CASE=1");
    printf("early %d %s %d\n", argc, argv[1], seen);
}
__attribute__((constructor)) static void plain(void) { puts("plain"); }
__attribute__((constructor(2000))) static void late(void) { puts("late"); }
__attribute__((destructor(101))) static void last_out(void) { puts("destructor 101"); }
__attribute__((destructor)) static void first_out(void) { puts("destructor"); }
__attribute__((destructor(2000))) static void middle_out(void) { puts("destructor 2000"); }
static void at_exit(void) { puts("atexit"); }
int never(void) { return 1; }

int main(int argc, char **argv) {
    puts("main");
    atexit(at_exit);
    if (argc == 99)
        never();
    return 7;
}
