// The older ways to set handlers, for a signal that faults raise and for one that they don't: each
// reads and writes what the others do, by whatever name the program got it.
// LINK: dl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static int calls;
static void one(int s) { calls++; }
static void two(int s) { calls += 10; }

static const char *name(void (*handler)(int)) {
    return handler == SIG_DFL    ? "default"
           : handler == SIG_IGN  ? "ignored"
           : handler == SIG_HOLD ? "held"
           : handler == SIG_ERR  ? "error"
           : handler == one      ? "one"
           : handler == two      ? "two"
                                 : "unknown";
}
static void show(int s) {
    struct sigaction now;
    sigaction(s, 0, &now);
    const int told = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESETHAND | SA_RESTART;
    printf("  %s %#x %d\n", name(now.sa_handler), now.sa_flags & told,
           sigismember(&now.sa_mask, s));
}

#pragma clang diagnostic ignored "-Wdeprecated-declarations"
extern void (*bsd_signal(int, void (*)(int)))(int);
int main(void) {
    const int signals[] = {SIGFPE, SIGUSR2};
    for (int i = 0; i < 2; i++) {
        int s = signals[i];
        puts(name(signal(s, one)));
        show(s);
        puts(name(sysv_signal(s, two)));
        show(s);
        raise(s);
        show(s);
        puts(name(bsd_signal(s, one)));
        siginterrupt(s, 1);
        show(s);
        puts(name(ssignal(s, two)));
        show(s);
        siginterrupt(s, 0);
        show(s);
        puts(name(sigset(s, SIG_HOLD)));
        raise(s);
        printf("%d\n", calls);
        puts(name(sigset(s, one)));
        printf("%d\n", calls);
        puts(name(sigset(s, two)));
        show(s);
        sigignore(s);
        show(s);
        raise(s);
        puts(name(signal(s, SIG_DFL)));
        puts(name(signal(s, SIG_ERR)));
    }
    puts(name(signal(1000, one)));
    printf("%d %d %d\n", errno == EINVAL, siginterrupt(-1, 1), sigignore(0));

    void *library = dlopen("libc.so.6", RTLD_LAZY);
    int (*action)(int, const struct sigaction *, struct sigaction *) =
        (int (*)(int, const struct sigaction *, struct sigaction *))dlsym(library, "sigaction");
    printf("%d %d %d\n", action == sigaction, dlsym(RTLD_DEFAULT, "sigset") == (void *)sigset,
           dlsym(RTLD_NEXT, "signal") == (void *)signal);
    struct sigaction now = {.sa_handler = two};
    action(SIGSEGV, &now, 0);
    puts(name(signal(SIGSEGV, one)));
    raise(SIGSEGV);
    printf("%d\n", calls);
    return 0;
}
