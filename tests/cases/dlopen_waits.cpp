// While a library is being opened, a thread throws for the first time, and makes objects. (Not those
// that are destroyed with their thread: to register one takes the loader's lock, natively too.)
// SHARED: parts/dlopen_hooks.c
// OPENED: parts/dlopen_waits_opened.c
// LINK: stdc++ pthread
#include <cstdio>
#include <dlfcn.h>
#include <locale>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>

extern "C" void (*on_open)();
extern "C" void (*on_close)();

struct Loud {
  const char *name;
  explicit Loud(const char *name) : name(name) { std::printf("+%s\n", name); }
  ~Loud() { std::printf("-%s\n", name); }
};

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

static void throws(int depth) {
  Loud here("here");
  if (depth == 0)
    throw Failure("thrown");
  throws(depth - 1);
}

static int depth() { return 2; }

static void work() {
  static Loud once("static");
  thread_local int own = depth();
  std::printf("%d\n", own);
  try {
    throws(own);
  } catch (const std::exception &caught) {
    std::printf("caught %s %d\n", caught.what(), dynamic_cast<const Failure *>(&caught) != nullptr);
  }
  std::map<std::string, int> numbers{{"one", 1}, {"two", 2}};
  std::ostringstream text;
  text << numbers.at("two") << std::use_facet<std::ctype<char>>(std::locale()).toupper('y');
  std::printf("%s\n", text.str().c_str());
}

int main() {
  on_open = [] {
    std::thread thread(work);
    thread.join();
    std::puts("joined");
  };
  void *library = dlopen("libdlopen_waits_opened.so", RTLD_LAZY | RTLD_GLOBAL);
  std::printf("%d\n", library != nullptr);
  return 0;
}
