// A negative result of `main`.
// EXIT: 254
#include <stdio.h>
int main(void) {
    puts("-2");
    return -2;
}
