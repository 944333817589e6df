#define WEAK __attribute__((weak))
#define ALIAS(of) __attribute__((alias(#of)))

int beaten(int n) { return 100 + n; }
int down(int n) { return 1000 + n; }
int count = 50;
__thread int each = 60;
int middle(void) { return 70; }
WEAK int winner(void) { return 80; }
int second_winner(void) ALIAS(winner);
WEAK int prize = 90;
extern int second_prize ALIAS(prize);

int first_beaten(int), first_down(int), also_stays(void);
extern int first_count;
int from_second(void) { return first_beaten(1) + first_down(1) + first_count + second_winner() + also_stays(); }
