// A process that gave up its user, its root directory or its descriptors goes on calling functions for
// the first time: in a child that does so, in a child of a parent that did so, and without a fork.
// Without root's privileges, changing user and root directory fails, natively too. (The last words are
// there because such a process can't write what the tests ask for, and says so.)
// STDERR: that was all
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { USER = 1, ROOT = 2, DESCRIPTORS = 4 };
static char empty[] = "/tmp/privileges-XXXXXX";

static void give_up(int what) {
    if (what & ROOT) {
        if (chroot(empty) == 0)
            chdir("/");
    }
    if (what & USER) {
        if (setgid(65534) == 0)
            setuid(65534);
    }
    if (what & DESCRIPTORS)
        for (int i = 3; i < 4096; i++)
            close(i);
}

// Each needs constants, variables and code of its own, which nobody has used before it is called.
#define WORKER(n)                                                                              \
    static int count_##n = n;                                                                  \
    static const char *name_##n(int i) {                                                       \
        static const char *const names[] = {"zero " #n, "one " #n, "two " #n};                 \
        return names[i % 3];                                                                   \
    }                                                                                          \
    static double half_##n(int x) { return x * (0.5 + n); }                                    \
    static int chosen_##n(int x) {                                                             \
        switch (x) {                                                                           \
        case 1: return 10 + n;                                                                 \
        case 2: return 21 + n;                                                                 \
        case 3: return 32 + n;                                                                 \
        case 4: return 47 + n;                                                                 \
        case 5: return 56 + n;                                                                 \
        default: return n;                                                                     \
        }                                                                                      \
    }                                                                                          \
    static void work_##n(int x) {                                                              \
        char line[200];                                                                        \
        count_##n += x;                                                                        \
        snprintf(line, sizeof line, "%s %g %d %d\n", name_##n(x), half_##n(x), chosen_##n(x),  \
                 count_##n);                                                                   \
        if (write(1, line, strlen(line)) < 0)                                                  \
            _exit(9);                                                                          \
    }

WORKER(0) WORKER(1) WORKER(2) WORKER(3) WORKER(4) WORKER(5) WORKER(6) WORKER(7) WORKER(8)
WORKER(9) WORKER(10) WORKER(11)

static void (*const workers[])(int) = {work_0, work_1, work_2, work_3, work_4,  work_5,
                                       work_6, work_7, work_8, work_9, work_10, work_11};

static int ended(pid_t child) {
    int status;
    waitpid(child, &status, 0);
    return status;
}

int main(void) {
    if (!mkdtemp(empty))
        return 1;
    chmod(empty, 0755);
    setvbuf(stdout, NULL, _IONBF, 0);
    // In the child alone.
    for (int what = 0; what < 8; what++) {
        pid_t child = fork();
        if (child == 0) {
            give_up(what);
            workers[what](what);
            work_8(what);
            _exit(what);
        }
        printf("child %d: %x\n", what, ended(child));
    }
    rmdir(empty);
    // In a process, then in its children, one of which has one of its own.
    for (int what = 1; what < 8; what += 2) {
        pid_t child = fork();
        if (child == 0) {
            give_up(what);
            work_9(what);
            pid_t grandchild = fork();
            if (grandchild == 0) {
                work_10(what);
                _exit(3);
            }
            printf("grandchild: %x\n", ended(grandchild));
            work_11(what);
            _exit(what);
        }
        printf("parent %d: %x\n", what, ended(child));
    }
    // Without a fork.
    give_up(USER | DESCRIPTORS);
    work_11(1);
    fputs("that was all\n", stderr);
    return 0;
}
