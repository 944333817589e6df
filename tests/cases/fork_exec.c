// exec after fork and after vfork, system, popen and posix_spawn: the new programs see ordinary
// signals and streams.
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int main(void) {
    int status;
    fflush(stdout);
    pid_t p = fork();
    if (p == 0) {
        execlp("sh", "sh", "-c", "echo from exec; exit 4", (char *)0);
        _exit(99);
    }
    waitpid(p, &status, 0);
    printf("%d\n", WEXITSTATUS(status));
    fflush(stdout);
    p = vfork();
    if (p == 0) {
        execl("/bin/sh", "sh", "-c", "kill -TERM $$", (char *)0);
        _exit(99);
    }
    waitpid(p, &status, 0);
    printf("%d\n", WIFSIGNALED(status) ? WTERMSIG(status) : -1);
    fflush(stdout);
    printf("%d\n", WEXITSTATUS(system("echo from system; exit 5")));
    fflush(stdout);
    FILE *f = popen("echo one two; exit 6", "r");
    char line[100];
    fgets(line, sizeof line, f);
    printf("%s%d\n", line, WEXITSTATUS(pclose(f)));
    fflush(stdout);
    char *argv[] = {"sh", "-c", "exit 7", 0};
    posix_spawn(&p, "/bin/sh", 0, 0, argv, environ);
    waitpid(p, &status, 0);
    printf("%d\n", WEXITSTATUS(status));
    return 0;
}
