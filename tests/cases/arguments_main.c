// argc, argv and envp reach `main`: quotes, empty arguments, options that look like the
// program's own, and an environment variable.
// ARGS: a "b c" "" --eager -O2 -- "ü" '"quoted"'
// ENV: REWIRE_CASE_A=1 2
// ENV: REWIRE_CASE_B=
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv, char **envp) {
    printf("%d %d\n", argc, argv[argc] == 0);
    for (int i = 1; i < argc; i++)
        printf("[%s]\n", argv[i]);
    for (char **e = envp; *e; e++)
        if (!strncmp(*e, "REWIRE_CASE_", 12))
            printf("{%s} %d\n", strchr(*e, '=') + 1, getenv("REWIRE_CASE_A") != 0);
    printf("%d\n", strlen(argv[0]) > 0);
    argv[1][0] = 'z';
    printf("%s\n", argv[1]);
    return 0;
}
