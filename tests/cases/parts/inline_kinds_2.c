int plain(int x) { return x + 1; }
int always_external(int x) { return x + 12; }
int gnu(int x) { return x + 16; }
int address_matches(int (*a)(int), int (*b)(int)) { return a == plain && b == gnu; }
