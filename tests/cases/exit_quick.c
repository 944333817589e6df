// quick_exit runs only its own functions, and neither destructors nor flushing.
// EXIT: 9
#include <stdio.h>
#include <stdlib.h>

static void quick(void) { fputs("quick\n", stderr); }
static void usual(void) { fputs("usual\n", stderr); }
__attribute__((destructor)) static void destructor(void) { fputs("destructor\n", stderr); }

int main(void) {
    at_quick_exit(quick);
    atexit(usual);
    puts("flushed");
    fflush(stdout);
    quick_exit(9);
}
