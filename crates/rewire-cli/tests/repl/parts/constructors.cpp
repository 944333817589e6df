// Constructors that fail, each in its own way, and one that doesn't.
#include <stdexcept>

extern "C" int printf(const char *, ...);
extern "C" void defined_by_nobody(void);

int made = 0;

struct Crashes {
    Crashes() { *reinterpret_cast<volatile int *>(16) = 1; }
};
struct Throws {
    Throws() { throw std::runtime_error("not today"); }
};
struct Calls {
    Calls() { defined_by_nobody(); }
};
struct Works {
    Works() { made += 5; }
};

__attribute__((init_priority(200))) Crashes crashes;
__attribute__((init_priority(300))) Throws throws;
__attribute__((init_priority(400))) Calls calls;
__attribute__((init_priority(500))) Works works;
