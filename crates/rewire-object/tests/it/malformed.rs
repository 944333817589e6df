//! Objects with bytes missing or flipped.

use rewire_object::fuzz_object;

use crate::support::assemble;

const SOURCE: &str = "
.section .text.f,\"axG\",@progbits,f,comdat
.weak f
.type f,@function
f: .cfi_startproc
.cfi_personality 0x9b, DW.ref.p
call g@PLT
call *g@GOTPCREL(%rip)
movq h@GOTPCREL(%rip), %rax
movq t@GOTTPOFF(%rip), %rax
leaq u@TLSGD(%rip), %rdi
leaq c(%rip), %rax
ret
.cfi_endproc
.data
DW.ref.p: .quad p
.quad f+4
.long f@GOTPCREL
.section .tdata,\"awT\",@progbits
t: .quad f
.section .tbss,\"awT\",@nobits
u: .zero 8
.bss
.zero 64
.comm c,16,16
.weak h
.section .rodata.str,\"aMS\",@progbits,1
.asciz \"text\"
.section .llvm_stackmaps,\"a\"
.quad f
";

/// A small generator of numbers that is the same everywhere.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

#[test]
fn no_truncation_panics() {
    let bytes = assemble(SOURCE);
    fuzz_object(&bytes);
    for end in 0..bytes.len() {
        fuzz_object(&bytes[..end]);
    }
}

#[test]
fn no_flipped_bits_panic() {
    let original = assemble(SOURCE);
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for _ in 0..4000 {
        let mut bytes = original.clone();
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(bytes.len());
            bytes[at] ^= 1 << numbers.below(8);
        }
        fuzz_object(&bytes);
    }
}

#[test]
fn no_foreign_numbers_panic() {
    // Headers and tables are where numbers matter; extreme ones are where arithmetic breaks.
    let original = assemble(SOURCE);
    let mut numbers = Numbers(42);
    let extremes = [
        0,
        1,
        u64::MAX,
        1 << 63,
        (1 << 63) - 1,
        u64::MAX - 7,
        1 << 32,
    ];
    for _ in 0..4000 {
        let mut bytes = original.clone();
        let at = numbers.below(bytes.len() - 8) & !3;
        let value = extremes[numbers.below(extremes.len())];
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        fuzz_object(&bytes);
    }
}

#[test]
fn any_address_will_do() {
    // Members of archives start at even addresses only; slices of files anywhere.
    let bytes = assemble(SOURCE);
    let shifted = [&[0], &bytes[..]].concat();
    assert!(rewire_object::parse("t", &shifted[1..]).is_ok());
}
