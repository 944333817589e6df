// Standard input by line, by character and to its end; standard output and error, buffered and
// not.
// STDIN: first line
// STDIN: 42 3.5 word
// STDIN: rest\tof it
// STDERR: to the error stream
#include <stdio.h>
#include <unistd.h>

int main(void) {
    char line[100], word[20];
    int n, c, count = 0;
    double d;
    printf("%s", fgets(line, sizeof line, stdin));
    printf("%d ", scanf("%d %lf %19s", &n, &d, word));
    printf("%d %g %s\n", n, d, word);
    while ((c = getchar()) != EOF)
        count += c == '\t' ? 100 : 1;
    printf("%d %d\n", count, feof(stdin) != 0);
    fprintf(stderr, "to the error stream\n");
    fflush(stdout);
    dprintf(1, "unbuffered\n");
    return 0;
}
