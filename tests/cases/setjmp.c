// setjmp and longjmp over several frames, through a libc callback, nested, and again into one
// buffer; volatile locals keep their values. `sigsetjmp` restores the signal mask.
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static jmp_buf outer, inner;

static void deep(int n) {
    if (n == 0)
        longjmp(outer, 7);
    deep(n - 1);
    printf("not reached %d\n", n);
}
static int compare(const void *a, const void *b) {
    if (*(const int *)a == 13 || *(const int *)b == 13)
        longjmp(inner, 13);
    return *(const int *)a - *(const int *)b;
}
static int first_called_after_jump(int x) { return x * 11; }

int main(void) {
    volatile int tries = 0;
    int v = setjmp(outer);
    if (v == 0) {
        tries = 1;
        deep(20);
    }
    printf("%d %d\n", v, tries);

    int numbers[] = {5, 3, 13, 1, 9, 2, 8};
    if ((v = setjmp(inner)) == 0)
        qsort(numbers, 7, sizeof *numbers, compare);
    printf("%d\n", v);

    volatile int loops = 0;
    if (setjmp(outer) < 5) {
        loops++;
        longjmp(outer, loops);
    }
    printf("%d %d\n", loops, first_called_after_jump(loops));

    sigjmp_buf sig;
    sigset_t set, now;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    if (sigsetjmp(sig, 1) == 0) {
        sigprocmask(SIG_BLOCK, &set, 0);
        siglongjmp(sig, 1);
    }
    sigprocmask(SIG_BLOCK, 0, &now);
    printf("%d\n", sigismember(&now, SIGUSR1));
    printf("%d\n", setjmp(inner) == 0 ? (longjmp(inner, 0), 99) : 1);
    return 0;
}
