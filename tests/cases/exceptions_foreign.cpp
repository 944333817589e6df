// Exceptions through frames of C, through libc's own, exceptions that no C++ code threw, and
// forced unwinding by hand.
// FILES: parts/exceptions_foreign_2.c
// FLAGS: -fexceptions
// LINK: stdc++
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unwind.h>

extern "C" int through_c(int (*f)(int), int x);
extern "C" int c_cleanups;

static int destroyed;
struct Guard {
    ~Guard() { destroyed++; }
};
static int throws(int x) {
    Guard g;
    if (x > 0)
        throw x;
    return x;
}
static int compare(const void *, const void *) { throw 9; }

static bool deleted;
static void cleanup(_Unwind_Reason_Code, _Unwind_Exception *) { deleted = true; }
static _Unwind_Exception foreign;
static int raise_foreign(int) {
    Guard g;
    memset(&foreign, 0, sizeof foreign);
    memcpy(&foreign.exception_class, "REWIRETS", 8);
    foreign.exception_cleanup = cleanup;
    _Unwind_RaiseException(&foreign);
    return 0;
}

static int stops;
static _Unwind_Reason_Code stop(int, _Unwind_Action actions, _Unwind_Exception_Class,
                                _Unwind_Exception *, _Unwind_Context *, void *where) {
    stops++;
    if (actions & _UA_END_OF_STACK || stops > 200)
        abort();
    if (destroyed == 2) {
        printf("stopped after %d guards\n", destroyed);
        fflush(stdout);
        _Exit(0);
    }
    return _URC_NO_REASON;
}
static int force(int x) {
    Guard g;
    foreign.exception_class = 0;
    foreign.exception_cleanup = cleanup;
    _Unwind_ForcedUnwind(&foreign, stop, nullptr);
    return x;
}

int main() {
    try {
        through_c(throws, 5);
    } catch (int i) {
        printf("%d %d %d\n", i, destroyed, c_cleanups);
    }
    int v[3] = {3, 2, 1};
    try {
        qsort(v, 3, sizeof *v, compare);
    } catch (int i) {
        printf("through qsort %d\n", i);
    }
    try {
        through_c(raise_foreign, 1);
    } catch (int) {
        printf("wrong\n");
    } catch (...) {
        printf("foreign %d %d\n", destroyed, c_cleanups);
    }
    printf("deleted %d\n", deleted);
    destroyed = 0;
    Guard last;
    try {
        Guard g;
        through_c(force, 1);
        printf("wrong\n");
    } catch (...) {
        // Forced unwinding passes through here; it has to go on.
        throw;
    }
}
