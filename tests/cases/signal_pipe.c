// SIGNAL: PIPE
// SIGPIPE has its default action: a write to a pipe without reader kills.
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
int main(void) {
    int p[2];
    struct sigaction old;
    sigaction(SIGPIPE, 0, &old);
    printf("%d\n", old.sa_handler == SIG_DFL);
    fflush(stdout);
    pipe(p);
    close(p[0]);
    write(p[1], "x", 1);
    puts("not reached");
    return 0;
}
