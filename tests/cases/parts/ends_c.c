#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>

static void status_is(int status, void *argument) { printf("%s %d\n", (char *)argument, status); }
static void last(void) { puts("library, from its destructor"); }

__attribute__((constructor)) static void begins(void) {
  puts("library begins");
  on_exit(status_is, "library, status");
}

__attribute__((destructor)) static void ends(void) {
  puts("library ends");
  atexit(last);
  on_exit(status_is, "library, last status");
}

void registers(void) { on_exit(status_is, "called, status"); }
