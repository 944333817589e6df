// Hidden, protected and internal visibility over two files, by code, address and data.
// FILES: parts/visibility_2.c
#include <stdio.h>

__attribute__((visibility("hidden"))) extern int hidden_data;
__attribute__((visibility("hidden"))) int hidden_function(int);
__attribute__((visibility("protected"))) int protected_function(int x) { return x + 2; }
__attribute__((visibility("internal"))) int internal_function(int x) { return x + 3; }
int use_protected(int);
int (*address_of_protected(void))(int);
int (*address_of_hidden(void))(int);

int main(void) {
    printf("%d %d\n", hidden_data, hidden_function(5));
    printf("%d %d %d\n", protected_function(5), internal_function(5), use_protected(10));
    printf("%d %d\n", address_of_protected() == protected_function, address_of_hidden() == hidden_function);
    return 0;
}
