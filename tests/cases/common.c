// Tentative definitions of several sizes and a real one over three files: one object each, of
// the largest size, with the value of the real definition.
// FILES: parts/common_2.c parts/common_3.c
// FLAGS: -fcommon
#include <stdio.h>

int shared;
char growing[4];
int defined_elsewhere;
double aligned_common;
void set_shared(int);
int get_shared(void);
char *growing_2(void);
int growing_size(void);

int main(void) {
    set_shared(5);
    shared++;
    printf("%d %d\n", shared, get_shared());
    growing[0] = 'a';
    growing_2()[99] = 'z';
    printf("%d %c %d\n", growing == growing_2(), growing_2()[0], growing_size());
    printf("%d\n", defined_elsewhere);
    printf("%d %d\n", aligned_common == 0.0, (int)((unsigned long)&aligned_common % sizeof(double)));
    return 0;
}
