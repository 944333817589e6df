#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void last(void) { puts("library's exit function"); }

__attribute__((constructor)) static void begins(void) {
  puts("library begins");
  atexit(last);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0)
    exit(6);
  int status;
  waitpid(child, &status, 0);
  printf("child %d\n", WEXITSTATUS(status));
}

__attribute__((destructor)) static void ends(void) { puts("library ends"); }

int answer(void) { return 9; }
