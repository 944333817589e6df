// SIGALRM and SIGINT handlers that interrupt malloc and stdio again and again; SIGPIPE under a
// pipe that nobody reads.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t ticks, interrupts, pipes;
static void count(volatile sig_atomic_t *what) { ++*what; }
static void on_alarm(int s) { count(&ticks); }
static void on_interrupt(int s) { count(&interrupts); }
static void on_pipe(int s) { count(&pipes); }

int main(void) {
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_handler = on_alarm;
    a.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &a, 0);
    struct itimerval every = {{0, 500}, {0, 500}};
    setitimer(ITIMER_REAL, &every, 0);
    void *kept[64] = {0};
    for (unsigned i = 0; ticks < 50; i++) {
        free(kept[i % 64]);
        kept[i % 64] = malloc(1 + i * 37 % 5000);
    }
    memset(&every, 0, sizeof every);
    setitimer(ITIMER_REAL, &every, 0);
    printf("ticks %d\n", ticks >= 50);
    signal(SIGINT, on_interrupt);
    for (int i = 0; i < 3; i++)
        kill(getpid(), SIGINT);
    printf("interrupts %d\n", interrupts);
    int ends[2];
    pipe(ends);
    close(ends[0]);
    signal(SIGPIPE, on_pipe);
    long written = write(ends[1], "x", 1);
    printf("%ld %d %d\n", written, errno == EPIPE, pipes);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGPIPE, SIG_DFL);
        write(ends[1], "x", 1);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    printf("%d\n", WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
    return 0;
}
