// A function that every file has a copy of, and one that calls it.
inline int twice(int x) { return 2 * x; }

extern "C" int enter(int x) { return twice(x) + 1; }
