// Indirect functions: the resolver is local or global, runs before the first call, and each
// address of the function leads to what the resolver chose.
// FILES: parts/ifunc_2.c
#include <stdio.h>

static int fast(int x) { return x * 2; }
static int slow(int x) { return x * 3; }
static int want_fast = 1;
static int (*resolve_local(void))(int) { return want_fast ? fast : slow; }
int scaled(int) __attribute__((ifunc("resolve_local")));
static int scaled_static(int) __attribute__((ifunc("resolve_local")));
int (*resolve_global(void))(int) { return slow; }
int slowed(int) __attribute__((ifunc("resolve_global")));
int (*const kept)(int) = scaled;
int call_scaled(int);
int (*scaled_address(void))(int);

int main(void) {
    printf("%d %d %d\n", scaled(10), slowed(10), scaled_static(11));
    printf("%d %d\n", kept(20), call_scaled(30));
    // A static linker may give the address in code and the one in data different values, so
    // only what the address leads to is compared.
    printf("%d %d\n", kept != 0, scaled_address()(40));
    return 0;
}
