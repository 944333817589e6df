// What ends in std::terminate: an exception that leaves a noexcept function, one that leaves a
// destructor during unwinding, and a rethrow of nothing. Each in a child, whose handler tells.
// LINK: stdc++
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <sys/wait.h>
#include <unistd.h>

static const char *doing;
static int code_of(const char *name) { return name[0]; }
static void handler() {
    printf("terminate in %s, exception %d\n", doing, (bool)std::current_exception());
    fflush(stdout);
    _exit(code_of(doing));
}
static int thrower(int x) {
    if (x)
        throw x;
    return x;
}
static int promises(int x) noexcept { return thrower(x) + 1; }
struct Throwing {
    ~Throwing() noexcept(false) { throw 2; }
};
static void two_at_once() {
    Throwing t;
    thrower(1);
}
struct Quiet {
    ~Quiet() { thrower(3); }
};
static void in_destructor() { Quiet q; }
static void nothing_to_rethrow() { throw; }
static void uncaught() { thrower(4); }

static void child(const char *name, void (*f)()) {
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        doing = name;
        std::set_terminate(handler);
        if (name[0] == 'u')
            f();
        try {
            f();
        } catch (...) {
            printf("%s: caught\n", name);
            fflush(stdout);
            _exit(0);
        }
        _exit(1);
    }
    int status;
    waitpid(pid, &status, 0);
    printf("%s: %d\n", name, WEXITSTATUS(status) == name[0]);
}

int main() {
    child("noexcept", [] { promises(1); });
    child("two at once", two_at_once);
    child("destructor", in_destructor);
    child("rethrow", nothing_to_rethrow);
    child("uncaught", uncaught);
    child("caught", [] { thrower(5); });
    return 0;
}
