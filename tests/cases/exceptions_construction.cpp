// Throwing while something is being made: half-made arrays and objects are taken apart, `new`
// gives its memory back, a static's guard is released, a global's constructor may catch.
// LINK: stdc++
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

static int live, made;
struct Part {
    Part() {
        if (++made % 5 == 0)
            throw made;
        live++;
    }
    Part(const Part &o) : Part() {}
    ~Part() { live--; }
};
struct Virtual : virtual Part {
    Part own;
};
struct Whole : Virtual {
    Part parts[2];
    std::unique_ptr<Part> more{new Part};
};
static int allocated;
struct Counted {
    static void *operator new(std::size_t n) { allocated++; return malloc(n); }
    static void operator delete(void *p) { allocated--; free(p); }
    Part p[3];
};
static int global_caught = [] {
    try {
        Part all[7];
        return 0;
    } catch (int i) {
        return i;
    }
}();
static Part &once() {
    static Part it;
    return it;
}
template <class F> static void attempt(const char *name, F f) {
    try {
        f();
        printf("%s: made, live %d, allocated %d\n", name, live, allocated);
    } catch (int i) {
        printf("%s: threw %d, live %d, allocated %d\n", name, i, live, allocated);
    }
}
int main() {
    printf("global %d, live %d\n", global_caught, live);
    for (int i = 0; i < 4; i++) {
        attempt("whole", [] { Whole w; });
        attempt("counted", [] { delete new Counted; });
        attempt("array", [] { delete[] new Part[3]; });
        attempt("static", [] { once(); });
        attempt("by value", [] { Part a; auto f = [](Part p) { return &p != nullptr; }; f(a); });
        attempt("pair", [] { std::pair<Part, Part> p; std::pair<Part, Part> q = p; });
    }
    return 0;
}
