// A source that the REPL has compiled.
int from_c(int x) { return x + 1; }
