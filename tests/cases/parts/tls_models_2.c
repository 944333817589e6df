__thread int elsewhere = 60;
int bump_elsewhere(void) { return ++elsewhere; }
int *address_elsewhere(void) { return &elsewhere; }
