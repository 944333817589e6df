#include <fenv.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static sigjmp_buf back;

static void on_fault(int signal) { siglongjmp(back, signal); }

int crash(void) {
  fesetround(FE_UPWARD);
  return *(volatile int *)0x20;
}

// A handler of the program's own is called, and taken out again.
int handled(void) {
  signal(SIGSEGV, on_fault);
  int result = sigsetjmp(back, 1);
  if (result == 0)
    crash();
  signal(SIGSEGV, SIG_DFL);
  return result == SIGSEGV;
}

// A child has no prompt to come back to.
int child(void) {
  pid_t pid = fork();
  if (pid == 0)
    crash();
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : -1;
}

static int compare(const void *a, const void *b) {
  return *(const int *)a - *(const int *)b;
}

// Called by the C library, and well.
int beyond_a_callback(int least) {
  int numbers[3] = {5, 3, 9};
  qsort(numbers, 3, sizeof *numbers, compare);
  return numbers[0] - least;
}

// How numbers are rounded is what it was before a call that was left.
int rounds(void) { return fegetround() == FE_TONEAREST; }
