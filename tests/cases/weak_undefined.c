// `extern_weak`: null where nothing defines the name, its address where the program or libc
// does; a guarded call of a missing function is never made.
// FILES: parts/weak_undefined_2.c
#include <stdio.h>
#include <string.h>

__attribute__((weak)) extern int missing_function(int);
__attribute__((weak)) extern int missing_data;
__attribute__((weak)) extern int present_function(int);
__attribute__((weak)) extern int present_data;
__attribute__((weak)) extern size_t strlen(const char *);
int (*pointer)(int) = missing_function;
int (*present_pointer)(int) = present_function;
int *data_pointer = &missing_data;

int main(void) {
    printf("%d %d %d %d\n", missing_function == 0, &missing_data == 0, pointer == 0, data_pointer == 0);
    if (missing_function)
        printf("called %d\n", missing_function(1));
    if (&missing_data)
        printf("read %d\n", missing_data);
    if (present_function)
        printf("present %d %d\n", present_function(1), present_pointer(2));
    if (&present_data)
        printf("data %d\n", present_data);
    if (strlen)
        printf("libc %d\n", (int)strlen("four"));
    return 0;
}
