int c_cleanups;
static void clean(int *x) { c_cleanups += *x; }
int through_c(int (*f)(int), int x) {
    __attribute__((cleanup(clean))) int one = 1;
    int r = f(x);
    return r + one;
}
