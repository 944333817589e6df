// Data that libc defines: `stdout`, `stderr`, `environ`, `optarg`, `program_invocation_name`.
// ARGS: -a one -b -c three rest "two words"
// ENV: REWIRE_CASE=seen
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern char **environ;
FILE **indirect = &stdout;

int main(int argc, char **argv) {
    int c;
    while ((c = getopt(argc, argv, "a:bc:")) != -1)
        fprintf(stdout, "%c %s\n", c, optarg ? optarg : "-");
    for (int i = optind; i < argc; i++)
        fprintf(*indirect, "rest %s\n", argv[i]);
    int found = 0;
    for (char **e = environ; *e; e++)
        found += !strcmp(*e, "REWIRE_CASE=seen");
    printf("%d\n", found);
    printf("%d\n", program_invocation_name != 0);
    fputs("to stderr\n", stderr);
    printf("%d\n", indirect == &stdout && *indirect == stdout);
    return 0;
}
