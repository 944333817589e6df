// The program's own exported names, found through dlopen(NULL) and dlsym.
// NATIVE-FLAGS: -rdynamic
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

int exported(int x) { return x + 5; }
int exported_data = 12;

int main(void) {
    void *self = dlopen(0, RTLD_NOW);
    int (*f)(int) = (int (*)(int))dlsym(self, "exported");
    int *d = dlsym(self, "exported_data");
    printf("%d %d\n", f != 0, d != 0);
    if (f && d)
        printf("%d %d %d\n", f(1), *d, f == exported && d == &exported_data);
    return 0;
}
