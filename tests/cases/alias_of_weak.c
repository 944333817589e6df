// Aliases of weak definitions that another file's strong ones beat: an alias is a label in its own
// file, of functions, variables and thread-locals, also through another alias, from each file.
// FILES: parts/alias_of_weak_2.c
// FLAGS: -Xclang -disable-llvm-passes
// ALIAS: first_beaten=beaten
// ALIAS: first_down=down
// ALIAS: first_count=count
// ALIAS: first_each=each
// ALIAS: first_middle=base
// ALIAS: middle=base
// ALIAS: also_stays=stays
// ALIAS: second_winner=winner
// ALIAS: second_prize=prize
// NOT-GCC: an option of clang's
#include <stdio.h>

#define WEAK __attribute__((weak))
#define ALIAS(of) __attribute__((alias(#of)))

WEAK int beaten(int n) { return n; }
int first_beaten(int n) ALIAS(beaten);
// It calls whatever the name is.
WEAK int down(int n) { return n == 0 ? 0 : 1 + down(n - 1); }
int first_down(int n) ALIAS(down);
WEAK int count = 10;
extern int first_count ALIAS(count);
WEAK __thread int each = 20;
extern __thread int first_each ALIAS(each);
static int base(void) { return 5; }
WEAK int middle(void) ALIAS(base);
int first_middle(void) ALIAS(middle);
// Nobody beats this one.
WEAK int stays(void) { return 7; }
int also_stays(void) ALIAS(stays);
// The other file's are weak, and lose to these.
int winner(void) { return 30; }
int prize = 40;

int (*const table[])(int) = {beaten, first_beaten, down, first_down};
int *addresses[] = {&count, &first_count};
int from_second(void);
int second_winner(void);
extern int second_prize;

int main(void) {
    printf("%d %d\n", beaten(1), first_beaten(1));
    printf("%d %d\n", down(3), first_down(3));
    first_count += 1;
    count += 2;
    printf("%d %d\n", count, first_count);
    first_each += 1;
    each += 2;
    printf("%d %d\n", each, first_each);
    printf("%d %d\n", middle(), first_middle());
    printf("%d %d\n", stays(), also_stays());
    for (int i = 0; i < 4; i++)
        printf("%d ", table[i](2));
    int *volatile *volatile both = addresses;
    printf("%d %d %d\n", *both[0], *both[1], both[0] == both[1]);
    prize += 1;
    printf("%d %d %d %d\n", winner(), second_winner(), prize, second_prize);
    printf("%d\n", from_second());
    return 0;
}
