// An exception that nobody catches ends the process as natively.
// LINK: stdc++
// SIGNAL: ABRT
// STDERR: terminate called after throwing an instance of 'std::runtime_error'
// STDERR: what():  nobody
#include <cstdio>
#include <stdexcept>

struct Guard {
    ~Guard() { printf("may run\n"); }
};
static void thrower() { throw std::runtime_error("nobody"); }
int main() {
    printf("begin\n");
    fflush(stdout);
    thrower();
    return 0;
}
