// An exit code beyond 255 keeps its low byte.
// EXIT: 44
#include <stdio.h>
int main(void) {
    puts("300");
    return 300;
}
