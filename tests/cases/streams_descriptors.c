// A program starts with the standard descriptors and no others, as a native one does.
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(void) {
    for (int fd = 0; fd < 64; fd++)
        if (fcntl(fd, F_GETFD) != -1)
            printf("%d open\n", fd);
    int first = open("/dev/null", O_RDONLY);
    printf("first free %d\n", first);
    return 0;
}
