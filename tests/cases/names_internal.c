// Internal functions and globals of one name in three units, and static locals of one name in
// two functions of a unit: each use must reach its own.
// FILES: parts/names_internal_2.c parts/names_internal_3.c
// COMPILED: main first second third
// NOT-COMPILED: unused
#include <stdio.h>

static int counter = 1;
static const char *label = "one";
static int helper(int x) { return x + 1000; }
static int unused(int x) { return x; }
int (*keep_unused)(int) = unused;

static int next_a(void) {
    static int n = 5;
    return n++;
}
static int next_b(void) {
    static int n = 50;
    return n++;
}

int first(void) { return helper(counter++); }
int second(void);
int third(void);
int *second_counter(void);
int *third_counter(void);

int main(void) {
    for (int i = 0; i < 3; i++)
        printf("%s %d %d %d\n", label, first(), second(), third());
    printf("%d %d %d\n", counter, *second_counter(), *third_counter());
    printf("%d %d %d %d\n", next_a(), next_b(), next_a(), next_b());
    printf("%d\n", &counter != second_counter() && second_counter() != third_counter());
    return 0;
}
