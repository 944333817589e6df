// Functions of the program that libc keeps or calls: printf's hooks through fopencookie, scandir
// filters, glob errors, nftw-like walks by hand, and qsort over strings.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char sink[200];
static size_t filled;
static ssize_t cookie_write(void *c, const char *data, size_t n) {
    memcpy(sink + filled, data, n);
    filled += n;
    return (ssize_t)n;
}
static int closed;
static int cookie_close(void *c) {
    closed = *(int *)c;
    return 0;
}
static int by_pointer(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }
static int ints(const void *a, const void *b) { return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b); }

int main(void) {
    int cookie = 5;
    FILE *f = fopencookie(&cookie, "w", (cookie_io_functions_t){0, cookie_write, 0, cookie_close});
    fprintf(f, "%d-%s", 12, "through the cookie");
    fclose(f);
    printf("%.*s %d\n", (int)filled, sink, closed);
    const char *words[] = {"delta", "alpha", "charlie", "bravo"};
    qsort(words, 4, sizeof *words, by_pointer);
    for (int i = 0; i < 4; i++)
        printf("%s ", words[i]);
    int big[2000];
    for (int i = 0; i < 2000; i++)
        big[i] = (i * 7919) % 2003;
    qsort(big, 2000, sizeof *big, ints);
    printf("%d %d %d\n", big[0], big[1000], big[1999]);
    char *text;
    size_t size;
    f = open_memstream(&text, &size);
    fputs("memory", f);
    fclose(f);
    printf("%s %zu\n", text, size);
    free(text);
    return 0;
}
