// After fork, parent and child each call functions for the first time, write their own data,
// and end with their own codes.
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int state = 1;
static int in_child(int x) { return x * 2 + state; }
static int in_parent(int x) { return x * 3 + state; }
static int in_both(int x) { return x + state; }
static void parent_end(void) { printf("end %d\n", state); }

int main(void) {
    int pipes[2];
    pipe(pipes);
    atexit(parent_end);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        state = 100;
        int r[2] = {in_child(5), in_both(1)};
        write(pipes[1], r, sizeof r);
        _exit(in_child(10));
    }
    state = 1000;
    printf("parent %d %d\n", in_parent(5), in_both(2));
    int r[2], status;
    read(pipes[0], r, sizeof r);
    waitpid(child, &status, 0);
    printf("child %d %d, code %d\n", r[0], r[1], WEXITSTATUS(status));

    child = fork();
    if (child == 0) {
        abort();
    }
    waitpid(child, &status, 0);
    printf("signal %d\n", WIFSIGNALED(status) && WTERMSIG(status) == 6);

    fflush(stdout);
    child = fork();
    if (child == 0) {
        state = 7;
        exit(12);
    }
    waitpid(child, &status, 0);
    printf("code %d\n", WEXITSTATUS(status));
    return 0;
}
