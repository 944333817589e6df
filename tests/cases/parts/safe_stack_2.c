static char stacks[2][1 << 20];
__thread void *__safestack_unsafe_stack_ptr;

void use_own_stack(int number) {
    __safestack_unsafe_stack_ptr = stacks[number] + sizeof stacks[number];
}
