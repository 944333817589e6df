// Objects of size zero, empty structs as arguments, and flexible array members.
#include <stdio.h>

struct empty {};
struct empty nothing, nothing_else;
int none[0];
struct tail {
    int n;
    char text[];
};
struct tail with_text = {5, "hello"};

static int take(struct empty a, int x, struct empty b) { return x + (int)sizeof a + (int)sizeof b; }
struct empty give(void) { return nothing; }

int main(void) {
    struct empty e = give();
    printf("%d\n", take(e, 4, nothing_else));
    printf("%d %d\n", (int)sizeof nothing, (int)sizeof none);
    printf("%d %s\n", with_text.n, with_text.text);
    printf("%d\n", &nothing != 0 && (void *)none != 0);
    return 0;
}
