int sum3(int a, int b, int c) { return a + 2 * b + 3 * c; }
int narrow(int x) { return x + 1; }
long as_long(long x) { return x * 1000000000000L; }
double promoted(double x, int c) { return x + c; }
int old_style(a, b)
int a;
double b;
{
    return a + (int)b;
}
int ignores(int a) { return a; }
