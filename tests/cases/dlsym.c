// dlsym and function addresses: those of libc agree with `&f`, and the program's own exported
// names are found in the handle of dlopen(NULL).
// NATIVE-FLAGS: -rdynamic
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int exported(int x) { return x + 5; }
int exported_data = 12;
int (*volatile print)(const char *, ...) = printf;

int main(void) {
    printf("%d\n", (void *)printf == dlsym(RTLD_DEFAULT, "printf"));
    printf("%d\n", (void *)print == dlsym(RTLD_DEFAULT, "printf"));
    printf("%d\n", (void *)stdout == *(void **)dlsym(RTLD_DEFAULT, "stdout"));
    size_t (*length)(const char *) = (size_t(*)(const char *))dlsym(RTLD_DEFAULT, "strlen");
    printf("%d\n", (int)length("four"));
    printf("%d\n", dlsym(RTLD_DEFAULT, "there_is_no_such_name") == 0);
    return 0;
}
