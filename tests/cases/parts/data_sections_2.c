struct entry {
    const char *name;
    int (*f)(int);
};
static int other(int x) { return x * 100; }
__attribute__((used, section("registry"))) static struct entry entry_other = {"other", other};
