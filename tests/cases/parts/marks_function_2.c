int next(int x) { return x + 1; }
long wide(long x) { return x; }
