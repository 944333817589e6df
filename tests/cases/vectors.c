// Vectors as arguments and results: 16 bytes, split wider ones, small ones, and 32 bytes in
// functions with a target attribute where the CPU has AVX2.
// FLAGS: -Wno-psabi
#include <immintrin.h>
#include <stdio.h>

typedef int v4i __attribute__((vector_size(16)));
typedef float v2f __attribute__((vector_size(8)));
typedef double v4d __attribute__((vector_size(32)));
typedef char v16c __attribute__((vector_size(16)));
typedef short v3s __attribute__((ext_vector_type(3)));

__attribute__((noinline)) static v4i add4(v4i a, v4i b) { return a + b * 2; }
__attribute__((noinline)) static v2f mul2(v2f a, v2f b) { return a * b; }
__attribute__((noinline)) static v4d memory4(const v4d *a, const v4d *b) { return *a - *b; }
__attribute__((noinline)) static v16c shuffle(v16c a) {
    return __builtin_shufflevector(a, a, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}
__attribute__((noinline)) static v4i eight(v4i a, v4i b, v4i c, v4i d, v4i e, v4i f, v4i g, v4i h, v4i i, v4i j) {
    return a + b + c + d + e + f + g + h + i * j;
}
__attribute__((noinline, target("avx2"))) static __m256i wide_inner(__m256i a, __m256i b) {
    return _mm256_add_epi32(_mm256_mullo_epi32(a, b), b);
}
__attribute__((noinline, target("avx2"))) static int wide(int n) {
    __m256i a = _mm256_set1_epi32(n), b = _mm256_set_epi32(1, 2, 3, 4, 5, 6, 7, 8);
    __m256i keep = _mm256_add_epi32(a, b);
    __m256i r = _mm256_add_epi32(wide_inner(a, b), keep);
    int out[8], sum = 0;
    _mm256_storeu_si256((__m256i *)out, r);
    for (int i = 0; i < 8; i++)
        sum = sum * 3 + out[i];
    return sum;
}
static int wide_plain(int n) {
    int sum = 0;
    for (int b = 8; b >= 1; b--)
        sum = sum * 3 + (n * b + b) + (n + b);
    return sum;
}

int main(void) {
    v4i a = add4((v4i){1, 2, 3, 4}, (v4i){10, 20, 30, 40});
    printf("%d %d %d %d\n", a[0], a[1], a[2], a[3]);
    v2f m = mul2((v2f){1.5f, 2}, (v2f){4, 5});
    printf("%f %f\n", m[0], m[1]);
    v4d x = {1, 2, 3, 4}, y = {0.5, 0.25, 0, -1}, z = memory4(&x, &y);
    printf("%f %f %f %f\n", z[0], z[1], z[2], z[3]);
    v16c text = shuffle((v16c){0, '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'});
    printf("%.15s\n", (char *)&text);
    a = eight(a, a, a, a, a, a, a, a, a, a);
    printf("%d %d\n", a[0], a[3]);
    printf("%d\n", __builtin_cpu_supports("avx2") ? wide(7) : wide_plain(7));
    return 0;
}
