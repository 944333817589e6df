int front(int);
int front_again(int);
extern int visible;
int call_front_again(int x) { return front_again(x); }
int *address_of_visible(void) { return &visible; }
int (*address_of_front(void))(int) { return front; }
