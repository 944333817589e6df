// A long loop is left in its middle for optimised code, while it reads and writes its own copies of
// structures that were passed by value: the copies go along, and the caller's stay as they were.
#include <stdio.h>

struct Wide {
    long numbers[6];
    char letters[10];
    double sum;
};

__attribute__((noinline)) static double mixed(struct Wide left, int rounds, struct Wide right) {
    struct Wide *chosen = rounds & 1 ? &left : &right;
    double result = 0;
    for (long i = 0; i < 100000L * rounds; i++) {
        left.numbers[i % 6] += i;
        right.letters[i % 10] ^= (char)i;
        chosen->sum += 1;
        result += (double)(left.numbers[(i + 1) % 6] % 1000) + right.sum;
    }
    for (int i = 0; i < 6; i++)
        result += (double)left.numbers[i];
    for (int i = 0; i < 10; i++)
        result += right.letters[i];
    return result + left.sum;
}

int main(void) {
    struct Wide a = {{1, 2, 3, 4, 5, 6}, "abc", 1.5}, b = {{9}, "xyz", 0.25};
    printf("%.3f\n", mixed(a, 20, b));
    printf("%.3f\n", mixed(b, 21, a));
    printf("%ld %s %.2f %ld %s %.2f\n", a.numbers[0], a.letters, a.sum, b.numbers[0], b.letters, b.sum);
    return 0;
}
