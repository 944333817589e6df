// A library's constructor and destructor wait for threads of the program, which call functions and
// use what they have never used before. The loader is in `dlopen` or `dlclose` meanwhile.
// SHARED: parts/dlopen_hooks.c
// OPENED: parts/dlopen_waits_opened.c
// LINK: m pthread
// COMPILED: at_open at_close
#define _GNU_SOURCE
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <search.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

extern void (*on_open)(void);
extern void (*on_close)(void);
extern int hook_calls(void);
extern _Thread_local int hook_depth;

extern int nobody_has_this(void) __attribute__((weak));
extern int nobody_has_that __attribute__((weak));
extern char **environ;

static pthread_key_t key;

static void at_exit(void) { puts("exit function"); }

static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static void key_ends(void *value) { printf("key %s\n", (char *)value); }

static void caught(int number) { (void)number; }

// Names of the C library's: plain, indirect, of several versions, variables, thread-local.
static void *opening(void *argument) {
  int numbers[] = {3, 1, 2};
  qsort(numbers, 3, sizeof *numbers, compare);
  char *text = strdup(argument);
  errno = 0;
  double big = pow(2.0, strtod("10", NULL));
  printf("%d %s %zu %.0f %d\n", numbers[0], text, strnlen(text, 9), big, errno);
  printf("%d %d\n", environ != NULL, stdout != NULL);
  printf("%d %d\n", nobody_has_this == NULL, &nobody_has_that == NULL);
  atexit(at_exit);
  signal(SIGUSR1, caught);
  pthread_key_create(&key, key_ends);
  pthread_setspecific(key, "of the first");
  return text;
}

// A library's own.
static void *closing(void *argument) {
  hook_depth += 3;
  char *text = strndup(argument, 4);
  printf("%s %d %d %d\n", text, hook_calls(), hook_depth, toupper('x'));
  printf("%d\n", memchr(text, 0x73, 4) != NULL);
  return text;
}

static void run(void *(*function)(void *), char *argument) {
  pthread_t thread;
  void *result = NULL;
  pthread_create(&thread, NULL, function, argument);
  pthread_join(thread, &result);
  printf("joined %s\n", (char *)result);
  free(result);
}

static void at_open(void) { run(opening, "opening"); }

static void at_close(void) { run(closing, "closing"); }

int main(void) {
  on_open = at_open;
  on_close = at_close;
  void *library = dlopen("libdlopen_waits_opened.so", RTLD_NOW);
  if (!library) {
    puts(dlerror());
    return 1;
  }
  int (*answer)(void) = (int (*)(void))dlsym(library, "answer");
  printf("opened %d\n", answer());
  printf("closed %d\n", dlclose(library));
  on_open = on_close = NULL;
  return 0;
}
