// Unwinding meets code that is compiled only then: a personality and a filter that nobody needed
// before, copy constructors of what is thrown, destructors of parameters, cleanups that throw and
// catch by themselves, a handler that throws on, exceptions out of virtual calls and lambdas.
// LINK: stdc++
// COMPILED: main
// NOT-COMPILED: _ZL12never_calledv
#include <cstdio>
#include <exception>
#include <functional>
#include <utility>

static void note(const char *what, int n) { printf("%s %d\n", what, n); }
static void never_called() { note("never", 0); }

struct Thrown {
    int n;
    explicit Thrown(int n) : n(n) {}
    Thrown(const Thrown &o) : n(o.n + 1) { note("copied", n); }
    ~Thrown() { note("gone", n); }
};
struct Careful {
    int n;
    explicit Careful(int n) : n(n) {}
    ~Careful() {
        try {
            if (n > 0)
                throw n;
        } catch (int i) {
            note("careful caught", i);
            note("uncaught", std::uncaught_exceptions());
        }
    }
};
struct Interface {
    virtual ~Interface() {}
    virtual int work(Careful by_value) = 0;
};
struct Implementation : Interface {
    int work(Careful c) override {
        if (c.n == 2)
            throw Thrown(20);
        return c.n;
    }
};
static int through_lambda(const std::function<int(int)> &f, int x) {
    Careful guard(x == 5 ? 50 : 0);
    return f(x);
}
static int translate(Interface &i, int n) {
    try {
        return i.work(Careful(n));
    } catch (const Thrown &t) {
        note("translated", t.n);
        throw std::pair<int, int>(t.n, n);
    }
}
static void in_try_first(int x) {
    if (x)
        throw Thrown(x);
    never_called();
}
static int conditional(bool b) noexcept(false) {
    return b ? throw Thrown(70) : 7;
}

int main() {
    Implementation i;
    note("worked", i.work(Careful(0)));
    try {
        translate(i, 2);
    } catch (std::pair<int, int> p) {
        note("pair", p.first * 10 + p.second);
    }
    try {
        through_lambda([](int x) -> int { throw Thrown(x); }, 5);
    } catch (Thrown t) {
        note("by value", t.n);
    }
    for (int k = 0; k < 2; k++)
        try {
            in_try_first(30 + k);
        } catch (Thrown &t) {
            t.n += 1000;
            note("reference", t.n);
        }
    try {
        note("conditional", conditional(false));
        note("conditional", conditional(true));
    } catch (...) {
        note("anything", 0);
        try {
            throw;
        } catch (const Thrown &t) {
            note("again", t.n);
        }
    }
    return 0;
}
