// EXIT: 2
// `main(void)` without a return keeps 0; here it returns 2 by a helper.
#include <stdio.h>
static int two(void) { return puts("two") >= 0 ? 2 : 3; }
int main(void) { return two(); }
