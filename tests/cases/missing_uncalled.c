// A function that is never called names functions that do not exist; a function that is only
// called in a branch not taken does not exist either.
// NATIVE: no, a static linker refuses the undefined symbols
// STDOUT: before
// STDOUT: after
// COMPILED: main
// NOT-COMPILED: never
#include <stdio.h>

int missing_function(int);
int other_missing_function(const char *);
int never(int x) { return missing_function(x) + other_missing_function("x"); }

int main(int argc, char **argv) {
    puts("before");
    if (argc > 3)
        return never(argc);
    if (argc > 4)
        return missing_function(1);
    puts("after");
    return 0;
}
