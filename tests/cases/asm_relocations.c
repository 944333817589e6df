// Inline assembly with every kind of reference that position-independent code has: relative words
// of all sizes, through the GOT by each instruction that a linker may rewrite, relative to the
// GOT, a size, calls and jumps by PLT and GOT, thread-locals by three models, label differences.
// NOT-GCC: LLVM's assembler
#include <stdint.h>
#include <stdio.h>

int data[5] = {10, 20, 30, 40, 50};
__attribute__((used)) static int local_data[3] = {1, 2, 3};
const int read_only[2] = {7, 8};
__thread int general = 5;
static __thread int dynamic_1 = 6, dynamic_2 = 7;
__attribute__((noinline, used)) int callee(int x) { return x + 100; }
__attribute__((noinline, used)) static int local_callee(int x) { return x + 200; }
int (*volatile address)(int) = callee;

#define VIA_GOT(name, instruction, start)                                                          \
    static uint64_t name(void) {                                                                   \
        uint64_t r = start;                                                                        \
        __asm__(instruction : "+r"(r) : : "cc");                                                   \
        return r;                                                                                  \
    }
VIA_GOT(by_mov, "movq data@GOTPCREL(%%rip), %0", 0)
VIA_GOT(by_add, "addq data@GOTPCREL(%%rip), %0", 16)
VIA_GOT(by_sub, "subq data@GOTPCREL(%%rip), %0", 0)
VIA_GOT(by_and, "andq data@GOTPCREL(%%rip), %0", ~0ull)
VIA_GOT(by_or, "orq data@GOTPCREL(%%rip), %0", 0)
VIA_GOT(by_xor, "xorq data@GOTPCREL(%%rip), %0", ~0ull)
VIA_GOT(by_adc, "clc\n\tadcq data@GOTPCREL(%%rip), %0", 0)
VIA_GOT(by_sbb, "clc\n\tsbbq data@GOTPCREL(%%rip), %0", 0)
static int by_cmp(uint64_t v) {
    uint8_t equal;
    __asm__("cmpq data@GOTPCREL(%%rip), %1\n\tsete %0" : "=r"(equal) : "r"(v) : "cc");
    return equal;
}
static int by_test(void) {
    uint8_t some;
    __asm__("testq %1, data@GOTPCREL(%%rip)\n\tsetne %0" : "=r"(some) : "r"(~0ull) : "cc");
    return some;
}
static uint64_t by_push(void) {
    uint64_t r;
    __asm__("leaq -128(%%rsp), %%rsp\n\tpushq data@GOTPCREL(%%rip)\n\tpopq %0\n\tleaq 128(%%rsp), %%rsp"
            : "=r"(r));
    return r;
}
static uint64_t by_old_kind(void) {
    uint64_t r;
    // No instruction that a linker knows: the plain kind.
    __asm__("imulq $1, data@GOTPCREL(%%rip), %0" : "=r"(r) : : "cc");
    return r;
}
static uint64_t got_relative(void) {
    uint64_t got, offset;
    __asm__("leaq _GLOBAL_OFFSET_TABLE_(%%rip), %0\n\tmovabsq $local_data@GOTOFF, %1"
            : "=r"(got), "=r"(offset));
    return got + offset;
}
static uint64_t got_entry(void) {
    uint64_t got, offset;
    __asm__("leaq _GLOBAL_OFFSET_TABLE_(%%rip), %0\n\tmovabsq $data@GOT, %1"
            : "=r"(got), "=r"(offset));
    return *(uint64_t *)(got + offset);
}
#define CALL(name, how)                                                                            \
    static int name(int x) {                                                                       \
        int r;                                                                                     \
        __asm__("leaq -128(%%rsp), %%rsp\n\tmovq %%rsp, %%rbx\n\tandq $-16, %%rsp\n\t" how          \
                "\n\tmovq %%rbx, %%rsp\n\tleaq 128(%%rsp), %%rsp"                                  \
                : "=a"(r), "+D"(x)                                                                 \
                :                                                                                  \
                : "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");           \
        return r;                                                                                  \
    }
CALL(call_plt, "call callee@PLT")
CALL(call_plain, "call callee")
CALL(call_got, "call *callee@GOTPCREL(%%rip)")
CALL(call_loaded, "movq callee@GOTPCREL(%%rip), %%rax\n\tcall *%%rax")
CALL(jump_got, "call 1f\n\tjmp 2f\n1:\n\tjmp *callee@GOTPCREL(%%rip)\n2:")
CALL(call_local, "call local_callee")

struct relative {
    int32_t to_data, to_code;
    int64_t wide;
    int16_t distance;
    uint8_t small;
    uint64_t size;
};
extern const struct relative table __attribute__((visibility("hidden")));
__asm__(".pushsection .rodata\n"
        ".p2align 3\n"
        ".hidden table\n"
        ".globl table\n"
        ".type table,@object\n"
        "table: .long local_data - .\n"
        "  .long callee@PLT - .\n"
        "  .quad read_only - .\n"
        "  .short .Lafter - .Lbefore\n"
        "  .byte .Lafter - .Lbefore\n"
        "  .byte 0, 0, 0, 0, 0\n"
        "  .quad table@SIZE\n"
        ".size table, 32\n"
        ".popsection\n"
        ".pushsection .text\n"
        ".Lbefore: nop\n nop\n nop\n"
        ".Lafter:\n"
        ".popsection\n");

static int *thread_general(void) {
    int *r;
    __asm__("leaq -128(%%rsp), %%rsp\n\tmovq %%rsp, %%rbx\n\tandq $-16, %%rsp\n\t"
            "data16 leaq general@TLSGD(%%rip), %%rdi\n\t.word 0x6666\n\trex64 call __tls_get_addr@PLT\n\t"
            "movq %%rbx, %%rsp\n\tleaq 128(%%rsp), %%rsp"
            : "=a"(r)
            :
            : "rbx", "rdi", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
    return r;
}

int main(void) {
    uint64_t d = (uint64_t)data;
    printf("%d %d %d %d\n", by_mov() == d, by_add() == d + 16, by_sub() == -d, by_and() == d);
    printf("%d %d %d %d\n", by_or() == d, by_xor() == ~d, by_adc() == d, by_sbb() == -d);
    printf("%d %d %d %d %d\n", by_cmp(d), by_cmp(d + 1), by_test(), by_push() == d, by_old_kind() == d);
    printf("%d %d %d\n", got_relative() == (uint64_t)local_data, got_entry() == d, (int)table.size);
    printf("%d %d %d %d %d %d\n", call_plt(1), call_plain(2), call_got(3), call_loaded(4), jump_got(5), call_local(6));
    const char *t = (const char *)&table;
    int (*f)(int) = (int (*)(int))(t + 4 + table.to_code);
    printf("%d %d %d\n", *(int *)(t + table.to_data), f(7), *(int *)(t + 8 + table.wide + 4));
    printf("%d %d\n", table.distance, table.small);
    printf("%d %d\n", *thread_general(), thread_general() == &general);
    printf("%d %d %d\n", dynamic_1, dynamic_2, address(8));
    return 0;
}
