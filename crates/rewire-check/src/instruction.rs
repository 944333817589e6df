//! The instructions that a linker may rewrite (psABI, section B.2), before and after.
//!
//! Both shapes are decoded into one form, so that they can be compared by what they do.

use crate::report::UseKind;

/// What an instruction does with its operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// `mov`, or `lea`
    Move,
    /// `test`
    Test,
    /// add, or, adc, sbb, and, sub, xor, cmp: by their number in the opcode.
    Binary(u8),
    Call,
    Jump,
}

/// What an instruction works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    /// The word in memory at this address.
    Word(u64),
    /// This address, computed by `lea` or reached by a direct call or jump.
    Address(u64),
    /// This number, sign-extended from 32 bits.
    Number(u64),
}

/// An instruction of 32 or 64 bits that addresses relative to its end, or has an immediate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instruction {
    pub(crate) action: Action,
    /// Its other operand, a register; 0 for calls and jumps.
    pub(crate) register: u8,
    /// Whether it works on 64 bits.
    pub(crate) wide: bool,
    pub(crate) operand: Operand,
}

/// The bits of REX and REX2 that matter here.
#[derive(Clone, Copy, Debug, Default)]
struct Prefix {
    wide: bool,
    /// What to add to a register number in ModRM's `reg`, and in its `r/m`.
    reg: u8,
    rm: u8,
}

/// Decodes the bytes at `address`, of which the first `prefixes` are a REX (1) or REX2 (2)
/// prefix. They must be one instruction, and a `nop` behind it where a rewriting leaves one.
pub(crate) fn decode(bytes: &[u8], prefixes: usize, address: u64) -> Option<Instruction> {
    let end = address.wrapping_add(bytes.len() as u64);
    let (prefix, code) = bytes.split_at_checked(prefixes)?;
    let &[first, second, a, b, c, d] = code else {
        return None;
    };
    let number = i32::from_le_bytes([a, b, c, d]) as u64;
    let ahead = end.wrapping_add(number);
    if prefixes == 0
        && let Some((action, operand)) = transfer(code, end, ahead)
    {
        return Some(Instruction {
            action,
            register: 0,
            wide: true,
            operand,
        });
    }
    let prefix = read_prefix(prefix)?;
    let reg = (second >> 3) & 7;
    // mod 00, r/m 101: relative to the end of the instruction. mod 11: a register.
    let relative = second & 0xc7 == 0x05;
    let direct = second & 0xc0 == 0xc0;
    let (action, operand) = match first {
        0x8b if relative => (Action::Move, Operand::Word(ahead)),
        0x8d if relative => (Action::Move, Operand::Address(ahead)),
        0xc7 if direct && reg == 0 => (Action::Move, Operand::Number(number)),
        0x85 if relative => (Action::Test, Operand::Word(ahead)),
        0xf7 if direct && reg == 0 => (Action::Test, Operand::Number(number)),
        0x81 if direct => (Action::Binary(reg), Operand::Number(number)),
        op if op & 0xc7 == 0x03 && relative => (Action::Binary(op >> 3), Operand::Word(ahead)),
        _ => return None,
    };
    let register = match operand {
        Operand::Number(_) => prefix.rm + (second & 7),
        _ => prefix.reg + reg,
    };
    Some(Instruction {
        action,
        register,
        wide: prefix.wide,
        operand,
    })
}

/// Calls and jumps.
fn transfer(code: &[u8], end: u64, ahead: u64) -> Option<(Action, Operand)> {
    Some(match *code {
        [0xff, 0x15, ..] => (Action::Call, Operand::Word(ahead)),
        [0xff, 0x25, ..] => (Action::Jump, Operand::Word(ahead)),
        // A prefix without effect before it, or a nop before or behind it.
        [0x67 | 0x90 | 0x40..=0x4f, 0xe8, ..] => (Action::Call, Operand::Address(ahead)),
        [0x67 | 0x90 | 0x40..=0x4f, 0xe9, ..] => (Action::Jump, Operand::Address(ahead)),
        [op @ (0xe8 | 0xe9), a, b, c, d, 0x90] => {
            let distance = i32::from_le_bytes([a, b, c, d]) as u64;
            let action = if op == 0xe8 {
                Action::Call
            } else {
                Action::Jump
            };
            let target = end.wrapping_sub(1).wrapping_add(distance);
            (action, Operand::Address(target))
        }
        _ => return None,
    })
}

fn read_prefix(bytes: &[u8]) -> Option<Prefix> {
    let bit = |byte: u8, bit: u8| (byte >> bit) & 1;
    match *bytes {
        [] => Some(Prefix::default()),
        // REX: 0100WRXB
        [rex @ 0x40..=0x4f] => Some(Prefix {
            wide: bit(rex, 3) == 1,
            reg: bit(rex, 2) * 8,
            rm: bit(rex, 0) * 8,
        }),
        // REX2: 0xd5, then M0 R4 X4 B4 W R3 X3 B3; M0 selects another opcode map.
        [0xd5, payload @ 0..=0x7f] => Some(Prefix {
            wide: bit(payload, 3) == 1,
            reg: bit(payload, 2) * 8 + bit(payload, 6) * 16,
            rm: bit(payload, 0) * 8 + bit(payload, 4) * 16,
        }),
        _ => None,
    }
}

/// Whether a rewriting left the prefixes as they were. Only where the operand becomes an immediate
/// may the bits that extend register numbers change, for the register moves from ModRM's `reg` to
/// its `r/m`; everywhere else even bits that the processor ignores are no business of a linker.
pub(crate) fn keeps_prefixes(old: &[u8], new: &[u8], prefixes: usize, after: &Instruction) -> bool {
    let free = match (after.operand, prefixes) {
        // R and B of REX
        (Operand::Number(_), 1) => 0x05,
        // R4, B4, R3 and B3 of REX2
        (Operand::Number(_), 2) => 0x55,
        _ => 0,
    };
    let (old, new) = (old.get(..prefixes), new.get(..prefixes));
    let (Some(old), Some(new)) = (old, new) else {
        return false;
    };
    // The first byte of REX2 is no bit field.
    let last = prefixes.saturating_sub(1);
    let mask = |at: usize| if at == last { !free } else { 0xff };
    let mut pairs = old.iter().zip(new).enumerate();
    pairs.all(|(at, (old, new))| old & mask(at) == new & mask(at))
}

/// How the instruction whose displacement comes right after `before` uses what is at the
/// displacement's end.
pub(crate) fn use_by_displacement(before: &[u8], width: usize) -> UseKind {
    let mut backwards = before.iter().rev().copied();
    let (last, opcode) = (backwards.next().unwrap_or(0), backwards.next().unwrap_or(0));
    match (width, last) {
        // jmp, jcc, loop and jrcxz with 8 bits
        (1, 0xeb | 0x70..=0x7f | 0xe0..=0xe3) => UseKind::Call,
        (4, 0xe8 | 0xe9) => UseKind::Call,
        // jcc with 32 bits
        (4, 0x80..=0x8f) if opcode == 0x0f => UseKind::Call,
        (4, modrm) if modrm & 0xc7 == 0x05 => match (opcode, (modrm >> 3) & 7) {
            (0x8d, _) => UseKind::Address,
            (0xff, 2 | 4) => UseKind::SlotCall,
            _ => UseKind::Data,
        },
        _ => UseKind::Address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(action: Action, register: u8, wide: bool, operand: Operand) -> Option<Instruction> {
        Some(Instruction {
            action,
            register,
            wide,
            operand,
        })
    }

    // Encodings as llvm-mc (22) prints them.
    #[test]
    fn moves_and_arithmetic_are_decoded() {
        use Operand::{Address, Number, Word};
        // movq 0x10(%rip), %r15
        let bytes = [0x4c, 0x8b, 0x3d, 0x10, 0, 0, 0];
        assert_eq!(
            decode(&bytes, 1, 0x100),
            one(Action::Move, 15, true, Word(0x117))
        );
        // leaq 0x10(%rip), %r15
        let bytes = [0x4c, 0x8d, 0x3d, 0x10, 0, 0, 0];
        assert_eq!(
            decode(&bytes, 1, 0x100),
            one(Action::Move, 15, true, Address(0x117))
        );
        // movq $-2, %r15
        let bytes = [0x49, 0xc7, 0xc7, 0xfe, 0xff, 0xff, 0xff];
        assert_eq!(
            decode(&bytes, 1, 0),
            one(Action::Move, 15, true, Number(-2_i64 as u64))
        );
        // cmpl 0x10(%rip), %ecx; cmpl $0x10, %ecx
        let bytes = [0x3b, 0x0d, 0x10, 0, 0, 0];
        assert_eq!(
            decode(&bytes, 0, 0),
            one(Action::Binary(7), 1, false, Word(0x16))
        );
        let bytes = [0x81, 0xf9, 0x10, 0, 0, 0];
        assert_eq!(
            decode(&bytes, 0, 0),
            one(Action::Binary(7), 1, false, Number(0x10))
        );
        // addq 0x10(%rip), %r25; addq $0x10, %r25
        let bytes = [0xd5, 0x4c, 0x03, 0x0d, 0x10, 0, 0, 0];
        assert_eq!(
            decode(&bytes, 2, 0),
            one(Action::Binary(0), 25, true, Word(0x18))
        );
        let bytes = [0xd5, 0x19, 0x81, 0xc1, 0x10, 0, 0, 0];
        assert_eq!(
            decode(&bytes, 2, 0),
            one(Action::Binary(0), 25, true, Number(0x10))
        );
    }

    #[test]
    fn calls_and_jumps_are_decoded() {
        let call = |bytes: &[u8]| decode(bytes, 0, 0x100).map(|i| (i.action, i.operand));
        let word = Operand::Word(0x107);
        assert_eq!(call(&[0xff, 0x15, 1, 0, 0, 0]), Some((Action::Call, word)));
        assert_eq!(call(&[0xff, 0x25, 1, 0, 0, 0]), Some((Action::Jump, word)));
        let near = Some((Action::Call, Operand::Address(0x107)));
        assert_eq!(call(&[0x67, 0xe8, 1, 0, 0, 0]), near);
        assert_eq!(call(&[0x90, 0xe8, 1, 0, 0, 0]), near);
        assert_eq!(call(&[0xe8, 2, 0, 0, 0, 0x90]), near);
        let jump = Some((Action::Jump, Operand::Address(0x107)));
        assert_eq!(call(&[0xe9, 2, 0, 0, 0, 0x90]), jump);
        // A call that isn't followed by a nop, and one with a prefix that changes it.
        assert_eq!(call(&[0xe8, 2, 0, 0, 0, 0x91]), None);
        assert_eq!(call(&[0x66, 0xe8, 1, 0, 0, 0]), None);
    }

    #[test]
    fn what_is_not_one_of_them() {
        assert_eq!(decode(&[0xff, 0x35, 0, 0, 0, 0], 0, 0), None, "push");
        assert_eq!(decode(&[0x8b, 0x45, 0, 0, 0, 0], 0, 0), None, "by register");
        assert_eq!(
            decode(&[0x66, 0x8b, 0x05, 0, 0, 0, 0], 1, 0),
            None,
            "no REX"
        );
        assert_eq!(
            decode(&[0xd5, 0x88, 0x8b, 0x05, 0, 0, 0, 0], 2, 0),
            None,
            "map 1"
        );
        assert_eq!(decode(&[0x8b, 0x05], 0, 0), None, "cut off");
    }

    #[test]
    fn what_stands_before_a_displacement_tells_the_use() {
        use_is(&[0xe8], 4, UseKind::Call);
        use_is(&[0x0f, 0x84], 4, UseKind::Call);
        use_is(&[0xeb], 1, UseKind::Call);
        use_is(&[0xff, 0x15], 4, UseKind::SlotCall);
        use_is(&[0x41, 0xff, 0x25], 4, UseKind::SlotCall);
        use_is(&[0xff, 0x35], 4, UseKind::Data);
        use_is(&[0x48, 0x8d, 0x05], 4, UseKind::Address);
        use_is(&[0x48, 0x8b, 0x05], 4, UseKind::Data);
        use_is(&[], 4, UseKind::Address);
    }

    #[track_caller]
    fn use_is(before: &[u8], width: usize, kind: UseKind) {
        assert_eq!(use_by_displacement(before, width), kind);
    }
}
