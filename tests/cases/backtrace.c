// backtrace, _Unwind_Backtrace and __builtin_return_address see the frames of the program, from
// the innermost function to `main`; a callback of qsort is seen through libc's frames.
#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <unwind.h>

static void *frames[64];
static int depth, unwound;
static void *in_main;

static _Unwind_Reason_Code step(struct _Unwind_Context *c, void *p) {
    if (unwound < 60 && _Unwind_GetIP(c))
        unwound++;
    return _URC_NO_REASON;
}
__attribute__((noinline)) static int innermost(int x) {
    depth = backtrace(frames, 64);
    unwound = 0;
    _Unwind_Backtrace(step, 0);
    return x + 1;
}
__attribute__((noinline)) static int recurse(int n) {
    int r = n == 0 ? innermost(0) : recurse(n - 1);
    __asm__ volatile("" : "+r"(r));
    return r + 1;
}
static int compare(const void *a, const void *b) {
    int r = innermost(-1);
    __asm__ volatile("" : "+r"(r));
    return r;
}
__attribute__((noinline)) static void *caller(void) { return __builtin_return_address(0); }
__attribute__((noinline)) static int own_frame(void) {
    char *frame = __builtin_frame_address(0);
    char here;
    return frame > &here - 4096 && frame < &here + 4096;
}

int main(void) {
    int base, r = recurse(0);
    base = depth;
    int base_unwound = unwound;
    r += recurse(10);
    printf("%d %d %d\n", r, depth - base, unwound - base_unwound);
    int v[2] = {1, 2};
    qsort(v, 2, sizeof *v, compare);
    printf("%d %d\n", depth > 3, unwound > 3);
    char *at = caller();
    printf("%d %d\n", at != 0, own_frame());
    return 0;
}
