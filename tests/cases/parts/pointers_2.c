typedef int (*fn)(int);
int shared(int);
static fn kept = shared;
fn from_2(void) { return kept; }
int is_shared(fn f) { return f == shared; }
