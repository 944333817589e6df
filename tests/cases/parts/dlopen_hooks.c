// What a library calls when it is opened and closed.
#include <stddef.h>

void (*on_open)(void);
void (*on_close)(void);
_Thread_local int hook_depth = 1;

static int calls;

int hook_calls(void) { return calls; }

void hook(void (*function)(void)) {
  if (function) {
    calls++;
    function();
  }
}
