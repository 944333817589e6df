// Throws through three frames, in as many threads as the argument says, after `all_calls` has
// called all the functions that are loaded besides; prints nanoseconds a throw, as one thread sees
// it, in the best of seven stretches.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <thread>
#include <vector>

extern "C" unsigned all_calls(unsigned);

namespace {

constexpr unsigned kThrows = 10000;

double now() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

// A destructor, so that each frame has something to do.
struct Count {
    unsigned &count;
    ~Count() { ++count; }
};

__attribute__((noinline)) void third(unsigned &count, unsigned value) {
    Count here{count};
    if (value != 0)
        throw value;
}

__attribute__((noinline)) void second(unsigned &count, unsigned value) {
    Count here{count};
    third(count, value);
}

__attribute__((noinline)) void first(unsigned &count, unsigned value) {
    Count here{count};
    second(count, value);
}

unsigned many(unsigned throws) {
    unsigned sum = 0, count = 0;
    for (unsigned i = 1; i <= throws; i++)
        try {
            first(count, i);
        } catch (unsigned value) {
            sum += value;
        }
    return sum + count;
}

} // namespace

int main(int argc, char **argv) {
    unsigned threads = atoi(argv[argc - 1]);
    // What it returns depends on how many functions there are, and isn't printed.
    volatile unsigned called = all_calls(1);
    (void)called;
    unsigned sum = many(100);
    double best = 1e30;
    for (int stretch = 0; stretch < 7; stretch++) {
        std::vector<std::thread> running;
        std::vector<unsigned> sums(threads);
        double start = now();
        for (unsigned i = 0; i < threads; i++)
            running.emplace_back([&sums, i] { sums[i] = many(kThrows); });
        for (std::thread &thread : running)
            thread.join();
        double time = now() - start;
        if (time < best)
            best = time;
        for (unsigned one : sums)
            sum += one;
    }
    printf("%u\nns %.2f\n", sum, best / kThrows);
}
