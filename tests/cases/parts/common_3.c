int shared;
char growing[40];
int defined_elsewhere = 17;
int get_shared(void) { return shared; }
