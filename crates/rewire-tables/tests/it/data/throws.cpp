// Throws of every kind, compiled as C++14 for its exception specifications.

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <typeinfo>

extern const std::type_info *thrown[4];

struct Base { int value; };
struct Derived : Base {};
struct Other { int value; };
struct Unlisted { int value; };

static volatile int sink;
struct Guard { ~Guard() { sink = sink + 1; } };

[[gnu::noinline]] static void raise(int which) {
  thrown[0] = thrown[1] = nullptr;
  switch (which) {
  case 0: thrown[0] = &typeid(Base); throw Base{1};
  case 1: thrown[0] = &typeid(Derived); thrown[1] = &typeid(Base); throw Derived{};
  case 2: thrown[0] = &typeid(Other); throw Other{2};
  case 3: thrown[0] = &typeid(Unlisted); throw Unlisted{3};
  }
}

[[gnu::noinline]] static void cleans_up(int which) { Guard guard; raise(which); sink = sink + 1; }

[[gnu::noinline]] static int catches(int which) {
  Guard outer;
  try {
    Guard inner;
    try { cleans_up(which); } catch (Derived &) { return 1; } catch (Other &) { return 2; }
    raise(which);
  } catch (Base &) { return 3; } catch (...) { return 4; }
  return 0;
}

[[gnu::noinline]] static void passes_on(int which) {
  try { cleans_up(which); } catch (Other &) { sink = sink + 1; throw; } catch (Unlisted &) {}
}

[[gnu::noinline]] static void specified(int which) throw(Base, Other) { cleans_up(which); }
[[gnu::noinline]] static void specified_narrowly(int which) throw(Derived, Unlisted) {
  Guard guard;
  try { raise(which); } catch (Unlisted &) {}
}
[[gnu::noinline]] static void unexpected_one() { thrown[0] = &typeid(Base); throw Base{5}; }

[[gnu::noinline]] static void never_throws(int which) noexcept { Guard guard; raise(which); }

int main() {
  std::set_unexpected(unexpected_one);
  std::set_terminate([] { printf("end\n"); fflush(stdout); _Exit(0); });
  for (int which = 0; which < 4; ++which) {
    sink = sink + catches(which);
    try { passes_on(which); } catch (...) { sink = sink + 1; }
    try { specified(which); } catch (Base &) {} catch (Other &) {}
    if (which == 1 || which == 3) {
      try { specified_narrowly(which); } catch (Derived &) {}
    }
  }
  never_throws(0);
}
