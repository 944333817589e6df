int scaled(int);
int call_scaled(int x) { return scaled(x); }
int (*scaled_address(void))(int) { return scaled; }
