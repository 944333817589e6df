// What the two files of the C++ program share: everything here exists once, whichever file's copy
// is taken.
#pragma once

#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

// cxx_long.cc: some work, so many times over. Returns the exit code.
int long_run(int rounds);

// Says when it comes and goes.
struct Noisy {
  explicit Noisy(const char *name) : name(name) { std::printf("+%s ", name); }
  Noisy(const Noisy &other) : name(other.name) { std::printf("=%s ", name); }
  ~Noisy() { std::printf("-%s ", name); }
  const char *name;
};

struct Failure : std::runtime_error {
  Failure(const std::string &what, int code) : std::runtime_error(what), code(code) {}
  int code;
};

struct Left { virtual ~Left() = default; virtual int left() const { return 1; } int l = 10; };
struct Right { virtual ~Right() = default; virtual int right() const { return 2; } int r = 20; };
struct Base : virtual Left { int b = 30; };
struct Both : Base, virtual Right {
  int left() const override { return l + b; }
  int right() const override { return r + b; }
};

inline int shared_number = 100;
inline int &counter() {
  static int count = shared_number;
  return ++count;
}
template <class T> struct Registry {
  static std::vector<std::string> names;
};
template <class T> std::vector<std::string> Registry<T>::names = {"first"};

extern thread_local Noisy per_thread;
inline thread_local int per_thread_number = counter() > 0 ? 7 : 0;

// Defined in cxx_other.cc.
int other_counts();
void other_registers(const char *name);
[[noreturn]] void other_throws(int kind);
int calls_back(int (*callback)(int), int value);
const Left &other_object();
