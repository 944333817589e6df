// The process ends by `exit` in a thread; its children by `exit`, and by going on with the end that
// they were forked in.
// SHARED: parts/ends_c.c
// LINK: pthread
// EXIT: 8
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

void registers(void);

static int is_child;

static int in_child(void) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    is_child = 1;
    return 1;
  }
  int status;
  waitpid(child, &status, 0);
  printf("child %d\n", WEXITSTATUS(status));
  return 0;
}

__attribute__((constructor)) static void begins(void) { puts("program begins"); }

__attribute__((destructor)) static void ends(void) {
  puts(is_child ? "child ends" : "program ends");
  if (!is_child)
    in_child();
}

static void last(void) { puts("exit function"); }

static void *run(void *unused) {
  (void)unused;
  registers();
  exit(8);
}

int main(void) {
  atexit(last);
  if (in_child())
    exit(3);
  pthread_t thread;
  pthread_create(&thread, NULL, run, NULL);
  pthread_join(thread, NULL);
  return 0;
}
