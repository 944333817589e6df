// A megabyte of output through stdio and through write, without loss at the end.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char block[65536];
int main(void) {
    for (int i = 0; i < 40000; i++)
        printf("line %d of many\n", i);
    fflush(stdout);
    memset(block, 'x', sizeof block);
    for (int i = 0; i < 8; i++) {
        size_t done = 0;
        while (done < sizeof block)
            done += (size_t)write(1, block + done, sizeof block - done);
    }
    printf("no newline at the end");
    return 0;
}
