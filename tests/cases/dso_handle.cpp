// All files of a program have one `__dso_handle`; what it registers by hand under another one goes by
// that.
// FILES: parts/dso_handle_other.cpp
// NOT-GCC: a name of its own
#include <cstdio>

extern "C" {
extern char __dso_handle __attribute__((visibility("hidden")));
int __cxa_atexit(void (*function)(void *), void *argument, void *handle);
void __cxa_finalize(void *handle);
}

void *handle_elsewhere();

struct Named {
  const char *name;
  explicit Named(const char *name) : name(name) { std::printf("+%s\n", name); }
  ~Named() { std::printf("-%s\n", name); }
};

static Named here("here");

static void leaves(void *text) { std::printf("left %s\n", static_cast<const char *>(text)); }

static char borrowed[2];

int main() {
  std::printf("%s\n", handle_elsewhere() == &__dso_handle ? "one" : "several");
  static Named local("local");
  __cxa_atexit(leaves, const_cast<char *>("first"), &borrowed[0]);
  __cxa_atexit(leaves, const_cast<char *>("second"), &borrowed[1]);
  __cxa_atexit(leaves, const_cast<char *>("third"), &borrowed[0]);
  __cxa_atexit(leaves, const_cast<char *>("own"), &__dso_handle);
  __cxa_finalize(&borrowed[0]);
  std::printf("between\n");
  __cxa_finalize(&borrowed[0]);
  return 0;
}
