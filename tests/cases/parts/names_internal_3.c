static int counter = 300;
static int helper(int x) { return -x; }
int third(void) { return helper(counter++); }
int *third_counter(void) { return &counter; }
