extern char number[], negative[];
extern int shared_memory[16];
int beaten_data = 11;
int beaten_code(void) { return 14; }
__attribute__((weak)) int beats = 13;
__attribute__((weak)) int beats_code(void) { return 15; }
long from_second(void) {
    shared_memory[15] = 9;
    return (long)number + (long)negative + beats + beats_code() + beaten_code();
}
