//! Rewriting loads of an address from the GOT into instructions that do without (psABI section
//! B.2, "Optimize GOTPCRELX Relocations").
//!
//! Whether a load can be rewritten decides whether the GOT needs an entry, so the layout and the
//! fix-up must come to the same answer. Both ask [`plan`], and it looks at nothing but the
//! object's own bytes and what the layout found out about the symbol.
//!
//! A call through a slot (`call *f.slot(%rip)`) is the same instruction as a call through a GOT
//! entry, with a plain `PC32` against the word. Where the word never changes
//! ([`Binding::FixedSlot`](crate::Binding::FixedSlot)) it is rewritten alike, see [`plan_slot`].
//! The slot has its memory anyway, so that the layout doesn't depend on it.

use crate::addr::ExecAddr;
use crate::graph::{Relocation, Section, SectionRole, Segment};
use crate::reloc::RelocKind;

/// What is certain about a symbol's address before anything is placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Nearness {
    /// Within a signed 32-bit displacement from every place where this object can lie.
    pub(crate) near: bool,
    /// Known, and equal to a sign-extended 32-bit number.
    pub(crate) immediate: bool,
}

/// What an instruction is rewritten to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rewrite {
    /// `mov foo@GOTPCREL(%rip), %r` -> `lea foo(%rip), %r`
    Lea,
    /// `call *foo@GOTPCREL(%rip)` -> `addr32 call foo`
    Call,
    /// `jmp *foo@GOTPCREL(%rip)` -> `jmp foo; nop`
    Jump,
    /// `mov`, `test` or an arithmetic instruction -> the same with an immediate operand.
    Immediate {
        /// Prefix bytes before the opcode: 0, 1 (REX) or 2 (REX2).
        prefix: u8,
        /// The new opcode.
        opcode: u8,
        /// The new ModRM byte.
        modrm: u8,
    },
}

const OPCODE_MOV: u8 = 0x8b;
const OPCODE_TEST: u8 = 0x85;
const OPCODE_GROUP5: u8 = 0xff;
const OPCODE_CALL: u8 = 0xe8;
const OPCODE_JMP: u8 = 0xe9;
const MODRM_CALL_RIP: u8 = 0x15;
const MODRM_JMP_RIP: u8 = 0x25;

/// How to rewrite the instruction that a relocation's field belongs to; `None` if it stays as it is
/// and needs a GOT entry.
pub(crate) fn plan(
    section: &Section<'_>,
    relocation: &Relocation,
    symbol: Nearness,
) -> Option<Rewrite> {
    if !holds_instructions(section) {
        return None;
    }
    let Relocation {
        kind,
        offset,
        addend,
        ..
    } = *relocation;
    plan_instruction(kind, section.data, offset, addend, symbol)
}

/// Whether a relocation belongs to an instruction that calls or jumps to the symbol: directly, or
/// through the symbol's GOT entry.
pub(crate) fn is_call(section: &Section<'_>, relocation: &Relocation) -> bool {
    if !holds_instructions(section) || relocation.addend != -4 {
        return false;
    }
    let Ok(field) = usize::try_from(relocation.offset) else {
        return false;
    };
    let before = |count: usize| {
        let start = field.checked_sub(count)?;
        section.data.get(start..field)
    };
    match relocation.kind {
        RelocKind::Plt32 => true,
        // Some assemblers write `PC32` where others write `PLT32`.
        RelocKind::Pc32 => matches!(before(1), Some([OPCODE_CALL | OPCODE_JMP])),
        RelocKind::GotPcRel | RelocKind::GotPcRelX => matches!(
            before(2),
            Some([OPCODE_GROUP5, MODRM_CALL_RIP | MODRM_JMP_RIP])
        ),
        _ => false,
    }
}

/// Whether the bytes before a field are an instruction. In other sections they are data, whatever
/// the relocation says.
fn holds_instructions(section: &Section<'_>) -> bool {
    section.segment == Segment::Code && section.role == SectionRole::Plain
}

fn plan_instruction(
    kind: RelocKind,
    bytes: &[u8],
    offset: u64,
    addend: i64,
    symbol: Nearness,
) -> Option<Rewrite> {
    let prefix = match kind {
        RelocKind::GotPcRelX => 0,
        RelocKind::RexGotPcRelX => 1,
        RelocKind::Code4GotPcRelX => 2,
        _ => return None,
    };
    // Another addend would mean a part of the entry, or bytes after the field.
    if addend != -4 || !(symbol.near || symbol.immediate) {
        return None;
    }
    let field = usize::try_from(offset).ok()?;
    let before = bytes.get(field.checked_sub(2 + prefix)?..field)?;
    let (prefixes, instruction) = before.split_at_checked(prefix)?;
    let (&[opcode, modrm], true) = (instruction, prefixes_match(prefixes)) else {
        return None;
    };
    if prefix == 0 && symbol.near && opcode == OPCODE_GROUP5 {
        return match modrm {
            MODRM_CALL_RIP => Some(Rewrite::Call),
            MODRM_JMP_RIP => Some(Rewrite::Jump),
            _ => None,
        };
    }
    // The rest must address relative to the instruction pointer: mod 00, r/m 101.
    if modrm & 0xc7 != 0x05 {
        return None;
    }
    if opcode == OPCODE_MOV && symbol.near {
        return Some(Rewrite::Lea);
    }
    if !symbol.immediate {
        return None;
    }
    let register = (modrm >> 3) & 7;
    let (opcode, extension) = match opcode {
        OPCODE_MOV => (0xc7, 0),
        OPCODE_TEST => (0xf7, 0),
        // add, or, adc, sbb, and, sub, xor, cmp: the operation's number is in bits 3 to 5 of
        // the one opcode, and in ModRM's register field with the other.
        op if op & 0xc7 == 0x03 => (0x81, op >> 3),
        _ => return None,
    };
    Some(Rewrite::Immediate {
        prefix: prefix as u8,
        opcode,
        modrm: 0xc0 | extension << 3 | register,
    })
}

/// How to rewrite a call or jump through a word that never changes; `None` if the field isn't the
/// operand of such an instruction, which then takes the word's address as it is.
///
/// `ff /2` and `ff /4` with ModRM `mod 00, r/m 101` (Intel SDM volume 2, table 2-2 and "CALL",
/// "JMP"): opcode, ModRM and displacement are six bytes, the displacement counted from their end,
/// which is what the addend -4 says. `67 e8 rel32` is `call` with an address-size prefix that it
/// ignores (psABI, section B.2), six bytes as well; `e9 rel32` takes five and leaves one for a
/// `nop`. In other opcode maps `ff` is at most `ud0`, which names no memory of use to anybody, so
/// that the two bytes before the field tell the instruction.
pub(crate) fn plan_slot(section: &Section<'_>, relocation: &Relocation) -> Option<Rewrite> {
    if !holds_instructions(section) || relocation.kind != RelocKind::Pc32 || relocation.addend != -4
    {
        return None;
    }
    let field = usize::try_from(relocation.offset).ok()?;
    let start = field.checked_sub(2)?;
    match section.data.get(start..field)? {
        [OPCODE_GROUP5, MODRM_CALL_RIP] => Some(Rewrite::Call),
        [OPCODE_GROUP5, MODRM_JMP_RIP] => Some(Rewrite::Jump),
        _ => None,
    }
}

/// Whether the instruction around a field at `place` is rewritten to go to `function` directly.
pub(crate) fn is_direct(
    section: &Section<'_>,
    relocation: &Relocation,
    place: ExecAddr,
    function: ExecAddr,
) -> bool {
    let addend = match plan_slot(section, relocation) {
        Some(Rewrite::Call) => -4,
        Some(_) => -3,
        None => return false,
    };
    i32::try_from(function.offset_from(place).wrapping_add(addend)).is_ok()
}

fn prefixes_match(prefixes: &[u8]) -> bool {
    match prefixes {
        [] => true,
        [rex] => rex & 0xf0 == 0x40,
        // Bit 7 of the payload selects another opcode map.
        [0xd5, payload] => payload & 0x80 == 0,
        _ => false,
    }
}

/// Rewrites the instruction around the field at `offset` of `bytes`, for the symbol's address
/// `target` and the field's address `place`. The error is a value that didn't fit.
pub(crate) fn apply(
    rewrite: Rewrite,
    bytes: &mut [u8],
    offset: usize,
    target: u64,
    place: u64,
) -> Result<(), i64> {
    let distance = |addend: i64| -> Result<[u8; 4], i64> {
        let value = (target.wrapping_sub(place) as i64).wrapping_add(addend);
        i32::try_from(value)
            .map(i32::to_le_bytes)
            .map_err(|_| value)
    };
    let mut put = |at: Option<usize>, new: &[u8]| {
        // `plan` has seen the bytes before the field, and the parser the field.
        if let Some(old) = at.and_then(|at| bytes.get_mut(at..at.checked_add(new.len())?)) {
            old.copy_from_slice(new);
        }
    };
    match rewrite {
        Rewrite::Lea => {
            let field = distance(-4)?;
            put(offset.checked_sub(2), &[0x8d]);
            put(Some(offset), &field);
        }
        Rewrite::Call => {
            let field = distance(-4)?;
            put(offset.checked_sub(2), &[0x67, 0xe8]);
            put(Some(offset), &field);
        }
        Rewrite::Jump => {
            // The field moves down by one, and the instruction ends one byte earlier.
            let field = distance(-3)?;
            put(offset.checked_sub(2), &[0xe9]);
            put(offset.checked_sub(1), &field);
            put(offset.checked_add(3), &[0x90]);
        }
        Rewrite::Immediate {
            prefix,
            opcode,
            modrm,
        } => {
            let value = i32::try_from(target as i64).map_err(|_| target as i64)?;
            put(offset.checked_sub(2), &[opcode, modrm]);
            put(Some(offset), &value.to_le_bytes());
            // The register was in ModRM's register field, extended by the prefix's R bits; now
            // it is in the r/m field, extended by the B bits.
            if let Some(bits) = offset
                .checked_sub(3)
                .and_then(|at| bytes.get_mut(at))
                .filter(|_| prefix > 0)
            {
                let (r, b) = if prefix == 1 {
                    (0x04, 0x01)
                } else {
                    (0x44, 0x11)
                };
                *bits = (*bits & !(r | b)) | ((*bits & r) >> 2);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEAR: Nearness = Nearness {
        near: true,
        immediate: false,
    };
    const LOW: Nearness = Nearness {
        near: false,
        immediate: true,
    };

    /// Rewrites `code`, whose field is at its end, at address 0x1000.
    fn rewrite(kind: RelocKind, code: &[u8], symbol: Nearness, target: u64) -> Option<Vec<u8>> {
        let field = code.len();
        let mut bytes = [code, &[0; 4]].concat();
        let plan = plan_instruction(kind, &bytes, field as u64, -4, symbol)?;
        apply(plan, &mut bytes, field, target, 0x1000 + field as u64).unwrap();
        Some(bytes)
    }

    #[test]
    fn near_targets_need_no_entry() {
        use RelocKind::{Code4GotPcRelX, GotPcRelX, RexGotPcRelX};
        // The next instruction is at 0x1006 without a prefix, at 0x1007 with one.
        assert_eq!(
            rewrite(GotPcRelX, &[0xff, 0x15], NEAR, 0x2006),
            Some(vec![0x67, 0xe8, 0, 0x10, 0, 0])
        );
        // jmp rel32 ends at 0x1005.
        assert_eq!(
            rewrite(GotPcRelX, &[0xff, 0x25], NEAR, 0x2005),
            Some(vec![0xe9, 0, 0x10, 0, 0, 0x90])
        );
        assert_eq!(
            rewrite(RexGotPcRelX, &[0x4c, 0x8b, 0x3d], NEAR, 0x2007),
            Some(vec![0x4c, 0x8d, 0x3d, 0, 0x10, 0, 0])
        );
        assert_eq!(
            rewrite(Code4GotPcRelX, &[0xd5, 0x48, 0x8b, 0x05], NEAR, 0x2008),
            Some(vec![0xd5, 0x48, 0x8d, 0x05, 0, 0x10, 0, 0])
        );
    }

    #[test]
    fn low_targets_become_immediates() {
        use RelocKind::{Code4GotPcRelX, GotPcRelX, RexGotPcRelX};
        // test %r15, foo -> test $foo, %r15
        assert_eq!(
            rewrite(RexGotPcRelX, &[0x4c, 0x85, 0x3d], LOW, 0x1234),
            Some(vec![0x49, 0xf7, 0xc7, 0x34, 0x12, 0, 0])
        );
        // cmp foo, %rcx -> cmp $foo, %rcx
        assert_eq!(
            rewrite(RexGotPcRelX, &[0x48, 0x3b, 0x0d], LOW, 0x1234),
            Some(vec![0x48, 0x81, 0xf9, 0x34, 0x12, 0, 0])
        );
        // sub foo, %eax
        assert_eq!(
            rewrite(GotPcRelX, &[0x2b, 0x05], LOW, 0x1234),
            Some(vec![0x81, 0xe8, 0x34, 0x12, 0, 0])
        );
        // mov foo, %r8
        assert_eq!(
            rewrite(RexGotPcRelX, &[0x4c, 0x8b, 0x05], LOW, 0x1234),
            Some(vec![0x49, 0xc7, 0xc0, 0x34, 0x12, 0, 0])
        );
        // add foo, %r25: REX2 with R4 and R3 set becomes one with B4 and B3
        assert_eq!(
            rewrite(Code4GotPcRelX, &[0xd5, 0x4c, 0x03, 0x0d], LOW, 0x1234),
            Some(vec![0xd5, 0x19, 0x81, 0xc1, 0x34, 0x12, 0, 0])
        );
    }

    #[test]
    fn what_is_far_or_another_instruction_stays() {
        use RelocKind::{GotPcRel, GotPcRelX, RexGotPcRelX};
        let far = Nearness::default();
        assert_eq!(rewrite(GotPcRelX, &[0xff, 0x15], far, 0), None);
        assert_eq!(rewrite(GotPcRelX, &[0xff, 0x15], LOW, 0), None);
        assert_eq!(rewrite(GotPcRel, &[0xff, 0x15], NEAR, 0), None);
        // push, an arithmetic instruction without an immediate, no room for the prefix, mod 01
        assert_eq!(rewrite(GotPcRelX, &[0xff, 0x35], NEAR, 0), None);
        assert_eq!(rewrite(RexGotPcRelX, &[0x48, 0x3b, 0x0d], NEAR, 0), None);
        assert_eq!(rewrite(RexGotPcRelX, &[0x8b, 0x05], NEAR, 0), None);
        assert_eq!(rewrite(RexGotPcRelX, &[0x48, 0x8b, 0x45], NEAR, 0), None);
        let entry = plan_instruction(GotPcRelX, &[0xff, 0x15, 0, 0, 0, 0], 2, 0, NEAR);
        assert_eq!(entry, None);
    }
}
