// A small program with many parts: a stack machine that parses its input and runs it, with
// function tables, strings, recursion and heap.
// STDIN: 3 4 + 5 *
// STDIN: 2 10 ^ 24 - 1000 %
// STDIN: 1 2 swap - dup *
// STDIN: 1 +
// STDIN: 7 nonsense
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long *stack;
static int depth, capacity;
static jmp_buf failed;
static const char *message;

static void fail(const char *why) {
    message = why;
    longjmp(failed, 1);
}
static void push(long v) {
    if (depth == capacity)
        stack = realloc(stack, (size_t)(capacity = capacity * 2 + 1) * sizeof *stack);
    stack[depth++] = v;
}
static long pop(void) {
    if (!depth)
        fail("empty stack");
    return stack[--depth];
}
static long power(long b, long e) { return e ? b * power(b, e - 1) : 1; }
static void op_add(void) { long b = pop(); push(pop() + b); }
static void op_sub(void) { long b = pop(); push(pop() - b); }
static void op_mul(void) { long b = pop(); push(pop() * b); }
static void op_mod(void) { long b = pop(); push(pop() % b); }
static void op_pow(void) { long b = pop(); push(power(pop(), b)); }
static void op_dup(void) { long b = pop(); push(b); push(b); }
static void op_swap(void) { long b = pop(), a = pop(); push(b); push(a); }
static const struct { const char *name; void (*f)(void); } words[] = {
    {"%", op_mod}, {"*", op_mul}, {"+", op_add}, {"-", op_sub}, {"^", op_pow}, {"dup", op_dup}, {"swap", op_swap},
};
static int compare(const void *key, const void *word) { return strcmp(key, *(char *const *)word); }

int main(void) {
    char line[200];
    while (fgets(line, sizeof line, stdin)) {
        depth = 0;
        if (setjmp(failed)) {
            printf("failed: %s\n", message);
            continue;
        }
        for (char *t = strtok(line, " \n"); t; t = strtok(0, " \n")) {
            char *end;
            long v = strtol(t, &end, 10);
            if (!*end) {
                push(v);
                continue;
            }
            typeof(&words[0]) w = bsearch(t, words, 7, sizeof *words, compare);
            if (!w)
                fail("unknown word");
            w->f();
        }
        printf("%ld\n", pop());
    }
    free(stack);
    return 0;
}
