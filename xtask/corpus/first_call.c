// Calls the generated functions `group_N` by their addresses, so that each is compiled when it is
// its turn, and what it calls for certain in company with it. They call `began` before and `ended`
// after their calls; prints nanoseconds a call.
#include <stdio.h>
#include <time.h>

extern void (*const groups[])(void);
extern const unsigned group_count, calls_in_group;

static double start, sum;
unsigned total;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

void began(void) { start = now(); }

void ended(void) { sum += now() - start; }

int main(void) {
    // What these need is called for the first time before it counts.
    began();
    ended();
    sum = 0;
    for (unsigned i = 0; i < group_count; i++)
        groups[i]();
    printf("%u\nns %.4f\n", total, sum / group_count / calls_in_group);
    return 0;
}
