// The program defines names that libc has too: its own win for its own uses.
#include <stdio.h>
#include <string.h>

int optind_like = 3;
char *optarg = "mine";
int signgam = 77;
int abs(int x) { return x + 1; }
char *strdup(const char *s) { return (char *)s; }

int main(void) {
    const char *s = "text";
    int (*volatile pabs)(int) = abs;
    char *(*volatile pdup)(const char *) = strdup;
    printf("%s %d %d %d\n", optarg, signgam, pabs(-5), pdup(s) == s);
    return 0;
}
