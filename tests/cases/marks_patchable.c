// Room for patching before functions and at their entries: what lies before an address is there, and
// the call goes past what lies behind it.
// FLAGS: -fpatchable-function-entry=6,4
// EXIT: 0
#include <stdio.h>

int shared(int x) { return x + 1; }
static int own(int x) { return x + 2; }
__attribute__((patchable_function_entry(0, 0))) int plain(int x) { return x + 3; }

int (*volatile functions[])(int) = {shared, own};

int main(void) {
    for (int i = 0; i < 2; i++) {
        const unsigned char *code = (const unsigned char *)functions[i];
        int room = 0;
        while (room < 4 && code[-1 - room] == 0x90)
            room++;
        printf("%d %d\n", room, functions[i](i));
    }
    printf("%d\n", plain(1));
    return 0;
}
