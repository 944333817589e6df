// An exception out of an atexit function ends the process; one that is caught within it does not.
// LINK: stdc++
// SIGNAL: ABRT
// STDERR: terminate called after throwing an instance of 'int'
#include <cstdio>
#include <cstdlib>

static void thrower(int x) { throw x; }
static void escapes() { thrower(1); }
static void catches() {
    try {
        thrower(2);
    } catch (int i) {
        printf("caught %d\n", i);
        fflush(stdout);
    }
}
struct Last {
    ~Last() {
        try {
            thrower(3);
        } catch (int i) {
            printf("destructor of a global caught %d\n", i);
            fflush(stdout);
        }
    }
};
int main() {
    atexit(escapes);
    static Last last;
    atexit(catches);
    return 0;
}
