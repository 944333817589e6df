// Times `all_calls`, a generated function that calls many others, and prints nanoseconds a call:
// the best of nine stretches, so that what else the machine does matters little. Compiling is not
// in it, for all was called before.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

unsigned all_calls(unsigned);

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

int main(int argc, char **argv) {
    long calls = atol(argv[argc - 1]), rounds = 10000000 / calls;
    unsigned x = 1;
    for (int i = 0; i < 3; i++)
        x = all_calls(x);
    double best = 1e30;
    for (int stretch = 0; stretch < 9; stretch++) {
        double start = now();
        for (long round = 0; round < rounds; round++)
            x = all_calls(x);
        double time = now() - start;
        if (time < best)
            best = time;
    }
    printf("%u\nns %.4f\n", x, best / rounds / calls);
    return 0;
}
