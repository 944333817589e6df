// Clang takes a main function with one parameter, beside a file that declares nothing.
// FILES: parts/nothing.c
// ARGS: a b c
// EXIT: 3
int main(int count) { return count - 1; }
