// Memory functions of libc in quantity, from first calls on, and a malloc'd area that holds
// function pointers.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct list {
    struct list *next;
    int (*f)(int);
    int value;
};
static int inc(int x) { return x + 1; }
static int dbl(int x) { return x * 2; }
static struct list *push(struct list *head, int v) {
    struct list *n = calloc(1, sizeof *n);
    n->next = head;
    n->f = v % 2 ? inc : dbl;
    n->value = v;
    return n;
}
int main(void) {
    struct list *head = 0;
    unsigned sum = 0;
    for (int i = 0; i < 1000; i++)
        head = push(head, i);
    while (head) {
        struct list *next = head->next;
        sum = sum * 31 + (unsigned)head->f(head->value);
        free(head);
        head = next;
    }
    char *s = strdup("text");
    s = realloc(s, 100000);
    strcat(s, " grows");
    void *aligned = aligned_alloc(4096, 8192);
    printf("%u %s %d\n", sum, s, (int)((unsigned long)aligned % 4096));
    free(aligned);
    free(s);
    return 0;
}
