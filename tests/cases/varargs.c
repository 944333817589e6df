// Variable arguments of every class, through registers and stack, copied, handed on, and to a
// function that is first called with vector registers in use (%al).
// COMPILED: main sum_all relay mixed
#include <stdarg.h>
#include <stdio.h>

struct small {
    int a;
    short b;
};
struct floats {
    double x, y;
};
struct large {
    long v[5];
};

static double sum_all(int n, ...) {
    va_list ap, copy;
    va_start(ap, n);
    va_copy(copy, ap);
    double d = 0;
    for (int i = 0; i < n; i++)
        d += va_arg(ap, double);
    for (int i = 0; i < n; i++)
        d += va_arg(copy, double) * 100;
    va_end(copy);
    va_end(ap);
    return d;
}

static int relay(char *to, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    int r = vsnprintf(to, 200, format, ap);
    va_end(ap);
    return r;
}

static long mixed(const char *kinds, ...) {
    va_list ap;
    va_start(ap, kinds);
    long r = 0;
    for (; *kinds; kinds++) {
        r *= 3;
        switch (*kinds) {
        case 'i': r += va_arg(ap, int); break;
        case 'l': r += va_arg(ap, long); break;
        case 'd': r += (long)va_arg(ap, double); break;
        case 'L': r += (long)va_arg(ap, long double); break;
        case 's': { struct small s = va_arg(ap, struct small); r += s.a + s.b; break; }
        case 'f': { struct floats s = va_arg(ap, struct floats); r += (long)(s.x + s.y); break; }
        case 'b': { struct large s = va_arg(ap, struct large); r += s.v[0] + s.v[4]; break; }
        case 'p': r += *va_arg(ap, int *); break;
        }
    }
    va_end(ap);
    return r;
}

int main(void) {
    char text[200];
    int pointed = 21;
    printf("%.2f\n", sum_all(12, 1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12.));
    printf("%d ", relay(text, "%d %s %.3f %c %ld %g %x %x %x", 1, "two", 3.0, '4', 5L, 6.5, 7, 8, 9));
    puts(text);
    printf("%ld\n", mixed("ildLsfbpildLsfbp", 1, 2L, 3.0, 4.0L, (struct small){5, 6}, (struct floats){7, 8},
                          (struct large){{9, 0, 0, 0, 10}}, &pointed, 1, 2L, 3.0, 4.0L, (struct small){5, 6},
                          (struct floats){7, 8}, (struct large){{9, 0, 0, 0, 10}}, &pointed));
    printf("%ld\n", mixed(""));
    printf("%2$s %1$d %3$*4$d|%5$-6.2f|%6$e\n", 5, "swap", 42, 6, 2.5, 12345.678);
    return 0;
}
