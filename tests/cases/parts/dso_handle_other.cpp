#include <cstdio>

extern "C" {
extern char __dso_handle __attribute__((visibility("hidden")));
}

struct Elsewhere {
  ~Elsewhere() { std::printf("-elsewhere\n"); }
};

static Elsewhere elsewhere;

void *handle_elsewhere() { return &__dso_handle; }
