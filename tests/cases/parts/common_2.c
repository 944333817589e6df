int shared;
char growing[100];
double aligned_common;
void set_shared(int x) { shared = x; }
char *growing_2(void) { return growing; }
int growing_size(void) { return sizeof growing; }
