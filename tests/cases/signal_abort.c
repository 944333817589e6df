// SIGNAL: ABRT
// abort: no `atexit` function runs. A failed assertion says so on standard error.
// STDERR: Assertion `1 + 1 == 3' failed
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
static void usual(void) { puts("usual"); }
int main(void) {
    atexit(usual);
    assert(1 + 1 == 3);
    return 0;
}
