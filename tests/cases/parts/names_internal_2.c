static int counter = 20;
static int helper(int x) { return x * 2; }
int second(void) { return helper(counter++); }
int *second_counter(void) { return &counter; }
