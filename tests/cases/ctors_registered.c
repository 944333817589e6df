// A constructor that registers an `atexit` function, fills a table, and starts nothing lazily
// wrong: `main` sees what it left. A function both constructor and ordinary.
#include <stdio.h>
#include <stdlib.h>

static int table[8];
static int runs;
static void farewell(void) { printf("farewell %d\n", runs); }
__attribute__((constructor)) void fill(void) {
    for (int i = 0; i < 8; i++)
        table[i] = i * i;
    if (!runs++)
        atexit(farewell);
}

int main(void) {
    printf("%d %d\n", table[7], runs);
    table[7] = 0;
    fill();
    printf("%d %d\n", table[7], runs);
    return 0;
}
