extern char second_start[], second_end[];

int adds_second(int x) {
    __asm__ volatile(".globl in_second\nin_second: nop");
    return x + 44;
}

int has_bounds(int x) {
    __asm__ volatile(".globl second_start\nsecond_start: nop\nnop\nsecond_end: nop\n.globl second_end");
    return x;
}

int reads_second(void) {
    return (int)(second_end - second_start);
}
