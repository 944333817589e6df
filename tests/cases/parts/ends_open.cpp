#define FILE_IS "open"
#include "ends.h"

namespace {
struct Early {
  Early() { std::puts("early +"); }
  ~Early() { std::puts("early -"); }
} early __attribute__((init_priority(200)));
} // namespace
