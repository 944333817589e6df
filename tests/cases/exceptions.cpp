// C++ exceptions: a callee compiled while a `try` is open, a personality first needed when
// something is thrown, destructors and catch blocks whose functions are compiled for the first
// time during unwinding, rethrowing, nesting, catching by base, function try blocks.
// LINK: stdc++
#include <cstdio>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <typeinfo>
#include <vector>

struct Base {
    virtual ~Base() {}
    virtual int kind() const { return 1; }
};
struct Derived : Base {
    int value;
    explicit Derived(int v) : value(v) {}
    int kind() const override { return 2 + value; }
};
struct Left { int l = 1; virtual ~Left() {} };
struct Right { int r = 2; virtual ~Right() {} };
struct Both : Left, Right {};

static int destroyed;
static void first_called_while_unwinding(int n) { destroyed += n; }
struct Guard {
    int n;
    explicit Guard(int n) : n(n) {}
    ~Guard() { first_called_while_unwinding(n); }
};

__attribute__((noinline)) static void thrower(int what) {
    Guard g(1);
    switch (what) {
    case 0: throw 42;
    case 1: throw Derived(5);
    case 2: throw std::runtime_error("runtime");
    case 3: throw std::string("text");
    case 4: throw Both();
    case 5: throw "literal";
    case 6: throw nullptr;
    case 7: { std::vector<int> v; v.at(3) = 1; } break;
    case 8: { Base *volatile b = nullptr; (void)typeid(*b); } break;
    case 9: { Base b; Base &r = b; (void)dynamic_cast<Derived &>(r); } break;
    case 10: { volatile std::size_t n = ~std::size_t(0) / 2; ::operator delete(::operator new(n)); } break;
    }
}
__attribute__((noinline)) static void middle(int what) {
    Guard g(10);
    thrower(what);
    Guard unreached(1000);
}
static const char *handled_int() { return "int"; }
static int classify(int what) {
    try {
        Guard g(100);
        middle(what);
        return -1;
    } catch (int i) {
        printf("%s %d\n", handled_int(), i);
    } catch (const Base &b) {
        printf("base %d\n", b.kind());
    } catch (const Right &r) {
        printf("right %d\n", r.r);
    } catch (const std::bad_alloc &) {
        printf("bad_alloc\n");
    } catch (const std::bad_typeid &) {
        printf("bad_typeid\n");
    } catch (const std::bad_cast &) {
        printf("bad_cast\n");
    } catch (const std::out_of_range &) {
        printf("out_of_range\n");
    } catch (const std::exception &e) {
        printf("exception %s\n", e.what());
    } catch (std::string s) {
        printf("string %s\n", s.c_str());
    } catch (const char *s) {
        printf("literal %s\n", s);
    } catch (...) {
        printf("something\n");
    }
    return destroyed;
}

static void rethrow() {
    try {
        try {
            throw Derived(1);
        } catch (Derived &d) {
            d.value = 9;
            throw;
        }
    } catch (Base &b) {
        printf("rethrown %d\n", b.kind());
    }
    try {
        try {
            throw 1;
        } catch (int) {
            try {
                throw 2;
            } catch (int inner) {
                printf("inner %d, uncaught %d\n", inner, std::uncaught_exceptions());
            }
            throw;
        }
    } catch (int outer) {
        printf("outer %d\n", outer);
    }
}

struct Member {
    explicit Member(bool fails) {
        if (fails)
            throw std::logic_error("member");
    }
    ~Member() { printf("~Member\n"); }
};
struct Whole {
    Member a, b;
    Whole() try : a(false), b(true) {
    } catch (const std::logic_error &e) {
        printf("in the constructor: %s\n", e.what());
    }
};

static void from_pointer() {
    std::exception_ptr kept;
    try {
        throw std::range_error("kept");
    } catch (...) {
        kept = std::current_exception();
    }
    for (int i = 0; i < 2; i++)
        try {
            std::rethrow_exception(kept);
        } catch (const std::exception &e) {
            printf("%d %s\n", i, e.what());
        }
    try {
        try {
            throw 7;
        } catch (...) {
            std::throw_with_nested(std::runtime_error("outside"));
        }
    } catch (const std::exception &e) {
        try {
            std::rethrow_if_nested(e);
        } catch (int i) {
            printf("nested %s %d\n", e.what(), i);
        }
    }
}

// Throws while it is being called for the first time by the library's code.
static bool less_or_throw(int a, int b) {
    if (a == 3 || b == 3)
        throw a + b;
    return a < b;
}
#include <algorithm>
static void through_a_template() {
    std::vector<int> v{5, 4, 1, 3};
    try {
        std::sort(v.begin(), v.end(), less_or_throw);
    } catch (int) {
        printf("sort threw\n");
    }
}

static int tries(int depth) {
    Guard g(0);
    if (depth == 0)
        throw depth;
    try {
        return tries(depth - 1);
    } catch (int i) {
        throw i + 1;
    }
}

int main() {
    for (int what = 0; what < 11; what++) {
        destroyed = 0;
        int sum = classify(what);
        printf("%d: %d\n", what, sum);
    }
    rethrow();
    try {
        Whole w;
    } catch (const std::logic_error &e) {
        printf("out of the constructor: %s\n", e.what());
    }
    from_pointer();
    through_a_template();
    try {
        tries(20);
    } catch (int i) {
        printf("depth %d\n", i);
    }
    return 0;
}
