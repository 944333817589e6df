// Bit-fields, unions, packed structs and bools: reads and writes of each width.
#include <stdio.h>
#include <string.h>

struct fields {
    unsigned a : 3;
    int b : 5;
    unsigned long c : 40;
    _Bool d : 1;
    unsigned : 0;
    unsigned e : 17;
} f = {5, -3, 0xabcdef1234, 1, 77777};
struct __attribute__((packed)) packed {
    char a;
    int b;
    double c;
    short d;
} p = {'p', 0x01020304, 2.5, -2};
union both {
    double d;
    unsigned long bits;
    unsigned char bytes[8];
};

int main(void) {
    printf("%u %d %lx %d %u\n", f.a, f.b, (unsigned long)f.c, f.d, f.e);
    f.a += 4;
    f.b -= 14;
    f.c ^= 0xff;
    f.d = f.e != 0;
    f.e *= 3;
    printf("%u %d %lx %d %u %d\n", f.a, f.b, (unsigned long)f.c, f.d, f.e, (int)sizeof f);
    struct packed copy[2] = {p, p};
    copy[1].b++;
    printf("%d %x %g %d\n", (int)sizeof copy, copy[1].b, copy[1].c, copy[1].d);
    union both u = {.d = -1.5};
    printf("%lx %x\n", u.bits, u.bytes[7]);
    return 0;
}
