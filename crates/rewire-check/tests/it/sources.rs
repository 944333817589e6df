//! What the tests link.

use crate::link::Link;

/// Every relocation that a fixed address allows.
pub(crate) const FIXED: &str = r#"
    .text
    .globl main
    .type main, @function
main:
    call near_function
    call near_function@PLT
    jne near_function
    call local_function
    jmp *near_function@GOTPCREL(%rip)
    call *near_function@GOTPCREL(%rip)
    call *near_word(%rip)
    mov near_data@GOTPCREL(%rip), %rax
    mov near_data@GOTPCREL(%rip), %r12
    mov near_data@GOTPCREL(%rip), %ecx
    test %r9, near_data@GOTPCREL(%rip)
    cmp near_data@GOTPCREL(%rip), %r10
    sub near_data@GOTPCREL(%rip), %edx
    push near_data@GOTPCREL(%rip)
    lea near_data(%rip), %rsi
    mov near_data+8(%rip), %rsi
    movl $77, near_data(%rip)
    movabs $near_data, %rdi
    mov $near_data, %edi
    mov near_data(,%rax,8), %rdi
    movabs $_GLOBAL_OFFSET_TABLE_-., %rcx
    lea _GLOBAL_OFFSET_TABLE_(%rip), %rcx
    movabs $near_function@PLTOFF, %rcx
    movabs $main@GOTOFF, %rcx
    movabs $near_data@GOT, %rcx
    mov %fs:near_thread@tpoff, %rax
    movabs $own_thread@tpoff, %rax
    call maybe@PLT
    mov maybe@GOTPCREL(%rip), %rax
    ret
    .size main, .-main
local_function:
    ret
    .section .text.other, "ax"
    nop
    jmp local_function
    jmp main+1
    .section .rodata, "a"
    .quad near_data@GOTPCREL
    .quad main@SIZE
    .long main@SIZE
    .quad near_data - .
    .long near_data - . + 4
    .long local_function
    .word small
    .byte tiny
    .byte 1f - .
1:
    .word 2f - .
    .section .data, "aw"
    .quad main, near_data + 16, local_function
    .section .tdata, "awT"
    .quad 5
own_thread:
    .quad main
    .bss
    .skip 24
    .section .rodata.second, "a"
2:  .quad 7
    .weak maybe
"#;

/// What [`FIXED`] needs.
pub(crate) const FIXED_REST: &str = r#"
    .globl near_function, near_data, near_word, near_thread, small, tiny
    small = 0x1234
    tiny = 0x5a
    .text
near_function:
    ret
    .data
    .balign 8
near_data:
    .quad 1, 2, 3
near_word:
    .quad near_function
    .section .tdata, "awT"
near_thread:
    .quad 6
    .section .note.GNU-stack, ""
"#;

/// Code that may be loaded anywhere, with what it needs of others.
pub(crate) const SHARED: &str = r#"
    .text
    .globl main
    .type main, @function
main:
    call far_function@PLT
    call *far_function@GOTPCREL(%rip)
    jmp *far_other@GOTPCREL(%rip)
    mov far_data@GOTPCREL(%rip), %rax
    cmp far_data@GOTPCREL(%rip), %r10
    mov own@GOTPCREL(%rip), %r9
    call *main@GOTPCREL(%rip)
    lea own(%rip), %rsi
    movabs $_GLOBAL_OFFSET_TABLE_-., %rcx
    movabs $own@GOTOFF, %rcx
    movabs $far_data@GOT, %rcx
    movabs $far_other@PLTOFF, %rcx
    .byte 0x66
    lea dynamic_variable@tlsgd(%rip), %rdi
    .value 0x6666
    rex64
    call far_tls@PLT
    lea dynamic_local@tlsld(%rip), %rdi
    call far_tls@PLT
    lea dynamic_local@dtpoff(%rax), %rax
    mov initial_variable@gottpoff(%rip), %rax
    add initial_variable@gottpoff(%rip), %r11
    mov maybe@GOTPCREL(%rip), %rax
    ret
    .size main, .-main
    .section .data, "aw"
    .quad far_data + 8, far_function, main, maybe
    .quad dynamic_local@dtpoff
own:
    .quad own, own - .
    .section .tbss, "awT", @nobits
    .globl dynamic_variable, initial_variable
    .skip 16
dynamic_variable:
    .skip 8
initial_variable:
    .skip 8
dynamic_local:
    .skip 16
    .weak maybe
"#;

const STACK_NOTE: &str = ".section .note.GNU-stack, \"\"\n.globl other_data\n.data\n\
    .balign 8\nother_data: .quad 0\n.text\n.globl other\nother: ret\n";

/// C, for what compilers make of it: jump tables, tables of functions, frames, strings.
const C: &str = r#"
extern int other(int);
extern long other_data;
static int one(int x) { return other(x) + 1; }
static int two(int x) { return other(x) * 2 + (int)other_data; }
int (*table[])(int) = { one, two, other };
static const char *const names[] = { "one", "two", "three" };
const char *name(int which) { return names[which]; }
__attribute__((noinline)) int pick(int which, int x) {
    switch (which) {
    case 0: return other(x);
    case 1: return one(x);
    case 2: return two(x) - 3;
    case 3: return table[x](which);
    case 4: return (int)other_data;
    case 5: return x / 3;
    default: return x;
    }
}
static long counter[4];
int main(int argc, char **argv) {
    counter[argc & 3]++;
    return pick(argc, **argv) + (int)counter[1] + (int)(long)&pick;
}
"#;

pub(crate) fn fixed(ld: &[&str]) -> Link {
    Link::new(&["gcc"], FIXED, FIXED_REST, ld)
}

pub(crate) fn shared() -> Link {
    let ld = ["-shared", "-Bsymbolic"];
    Link::new(&["clang-22"], SHARED, STACK_NOTE, &ld)
}

/// The C program, by a compiler with its flags.
pub(crate) fn c(compiler: &[&str], ld: &[&str]) -> Link {
    // Strings that ld merges with those of others lie wherever ld likes.
    Link::new(&[compiler, &["-xc", "-w"]].concat(), C, STACK_NOTE, ld)
}
