// A chain of forks, each generation calling a function for the first time; and many children
// of one parent that all call the same new function.
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int g1(int x) { return x + 1; }
static int g2(int x) { return x * 2; }
static int g3(int x) { return x - 3; }
static int leaf(int x) { return x ^ 5; }
static int (*const steps[])(int) = {g1, g2, g3};

static int generation(int depth, int value) {
    if (depth == 3)
        return value;
    int status;
    pid_t p = fork();
    if (p == 0)
        _exit(generation(depth + 1, steps[depth](value)));
    waitpid(p, &status, 0);
    return WEXITSTATUS(status);
}

int main(void) {
    printf("%d\n", generation(0, 20));
    pid_t children[8];
    int sum = 0;
    fflush(stdout);
    for (int i = 0; i < 8; i++)
        if ((children[i] = fork()) == 0)
            _exit(leaf(i));
    for (int i = 0; i < 8; i++) {
        int status;
        waitpid(children[i], &status, 0);
        sum += WEXITSTATUS(status) * (i + 1);
    }
    printf("%d %d\n", sum, leaf(100));
    return 0;
}
