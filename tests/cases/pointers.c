// Function pointers: equal across files and before and after the first call, in tables, as
// callbacks of qsort, bsearch, qsort_r, tsearch and twalk, returned and compared.
// FILES: parts/pointers_2.c
#define _GNU_SOURCE
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int (*fn)(int);
int shared(int x) { return x + 1; }
static int local(int x) { return x + 2; }
fn from_2(void);
int is_shared(fn f);
fn before = shared;
static fn const table[] = {shared, local, 0};

static int ascending(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
static int with_context(const void *a, const void *b, void *factor) {
    return (*(const int *)a - *(const int *)b) * *(int *)factor;
}
static int by_text(const void *a, const void *b) { return strcmp(a, b); }
static void walk(const void *node, VISIT v, int depth) {
    if (v == postorder || v == leaf)
        printf("%s ", *(char *const *)node);
}
static fn pick(int i) { return table[i]; }

int main(void) {
    fn f = shared;
    printf("%d %d %d\n", f == before, f == from_2(), is_shared(f));
    printf("%d\n", shared(1));
    printf("%d %d %d\n", f == shared, table[0] == from_2(), is_shared(shared));
    printf("%d %d %d\n", pick(0)(10), pick(1)(10), pick(2) == 0);
    printf("%d\n", pick(1) == local);

    int v[] = {5, 2, 9, 1, 7}, minus = -1, key = 7;
    qsort(v, 5, sizeof *v, ascending);
    int *found = bsearch(&key, v, 5, sizeof *v, ascending);
    printf("%d %d %d\n", v[0], v[4], (int)(found - v));
    qsort_r(v, 5, sizeof *v, with_context, &minus);
    printf("%d %d\n", v[0], v[4]);

    void *root = 0;
    const char *words[] = {"pear", "apple", "plum", "fig", "apple"};
    for (int i = 0; i < 5; i++)
        tsearch(words[i], &root, by_text);
    twalk(root, walk);
    printf("\n");
    tdestroy(root, (void (*)(void *))is_shared);
    return 0;
}
