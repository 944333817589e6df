// Functions that exist twice over one name by their scope, function-local declarations, and
// nested blocks with shadowed statics.
#include <stdio.h>

static int value(void) {
    static int v = 1;
    {
        static int v = 100;
        v++;
        if (v > 102)
            return v;
    }
    return v++;
}
int defined_below(int);

int main(void) {
    int defined_below(int);
    extern int puts(const char *);
    for (int i = 0; i < 4; i++)
        printf("%d ", value());
    printf("%d\n", defined_below(4));
    puts("declared inside");
    return 0;
}
int defined_below(int x) { return x * x; }
