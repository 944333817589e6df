//! The psABI's table of relocation types (section 4.4.1, table 4.9), and its TLS additions.

use object::elf;

/// What a field's value is. The letters are the psABI's: S is the symbol's address, A the addend,
/// P the field's address, L the address of the PLT entry or of the function itself, G the offset
/// of the GOT entry from the GOT's start, GOT the address of that start, Z the symbol's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compute {
    /// Nothing to do.
    Nothing,
    /// S + A
    Address,
    /// S + A - P
    Distance,
    /// L + A - P
    CallDistance,
    /// G + GOT + A - P, in an instruction that has this many prefix bytes and may be rewritten;
    /// `None` where the number of prefix bytes is not known.
    EntryDistance(Option<usize>),
    /// G + A
    EntryOffset,
    /// S + A - GOT
    GotOffset,
    /// L + A - GOT
    CallGotOffset,
    /// GOT + A - P
    GotDistance,
    /// Z + A
    Size,
    /// Distance to a GOT pair: (module, offset).
    ThreadPair,
    /// Distance to a GOT pair: (module, 0).
    ThreadModule,
    /// Offset in the module's block, + A
    ThreadBlock,
    /// Distance to a GOT word: the offset from the thread pointer.
    ThreadWord,
    /// Offset from the thread pointer, + A
    ThreadOffset,
}

/// The field: how wide it is, and which values it can stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// 8 bytes.
    Word64,
    /// 4 bytes that the processor sign-extends.
    Signed32,
    /// 4 bytes that the processor zero-extends.
    Unsigned32,
    /// 2 bytes, signed or not.
    Any16,
    /// 2 bytes, signed.
    Signed16,
    /// 1 byte, signed or not.
    Any8,
    /// 1 byte, signed.
    Signed8,
}

impl Field {
    /// Its width in bytes.
    pub(crate) const fn width(self) -> usize {
        match self {
            Self::Word64 => 8,
            Self::Signed32 | Self::Unsigned32 => 4,
            Self::Any16 | Self::Signed16 => 2,
            Self::Any8 | Self::Signed8 => 1,
        }
    }

    /// The value that the bytes of a field stand for, extended to 64 bits as the processor does
    /// it. The 16- and 8-bit fields that may be either are taken for unsigned.
    pub(crate) fn value(self, bytes: &[u8]) -> u64 {
        let mut word = [0; 8];
        for (to, from) in word.iter_mut().zip(bytes) {
            *to = *from;
        }
        let raw = u64::from_le_bytes(word);
        match self {
            Self::Word64 | Self::Unsigned32 | Self::Any16 | Self::Any8 => raw,
            Self::Signed32 => raw as u32 as i32 as u64,
            Self::Signed16 => raw as u16 as i16 as u64,
            Self::Signed8 => raw as u8 as i8 as u64,
        }
    }

    /// Whether the field, which holds `found`, stands for `value`. False for each value that
    /// doesn't fit the field at all.
    pub(crate) fn holds(self, found: u64, value: u64) -> bool {
        match self {
            // Found is taken for unsigned; it may also mean the negative number.
            Self::Any16 => found == value || found as u16 as i16 as u64 == value,
            Self::Any8 => found == value || found as u8 as i8 as u64 == value,
            _ => found == value,
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(crate) compute: Compute,
    pub(crate) field: Field,
}

/// The row of a relocation type; an error says why there is none.
pub(crate) fn rule(code: u32) -> Result<Rule, &'static str> {
    use Compute::*;
    use Field::*;
    macro_rules! rows {
        ($($code:ident $compute:expr, $field:ident;)*) => {
            match elf::RelocationType(code) {
                $(elf::$code => Ok(Rule {
                    name: stringify!($code),
                    compute: $compute,
                    field: $field,
                }),)*
                other => Err(refusal(other)),
            }
        };
    }
    rows! {
        R_X86_64_NONE Nothing, Any8;
        R_X86_64_64 Address, Word64;
        R_X86_64_32 Address, Unsigned32;
        R_X86_64_32S Address, Signed32;
        R_X86_64_16 Address, Any16;
        R_X86_64_8 Address, Any8;
        R_X86_64_PC64 Distance, Word64;
        R_X86_64_PC32 Distance, Signed32;
        R_X86_64_PC16 Distance, Signed16;
        R_X86_64_PC8 Distance, Signed8;
        R_X86_64_PLT32 CallDistance, Signed32;
        R_X86_64_GOTPCREL EntryDistance(None), Signed32;
        R_X86_64_GOTPCRELX EntryDistance(Some(0)), Signed32;
        R_X86_64_REX_GOTPCRELX EntryDistance(Some(1)), Signed32;
        R_X86_64_CODE_4_GOTPCRELX EntryDistance(Some(2)), Signed32;
        R_X86_64_CODE_5_GOTPCRELX EntryDistance(None), Signed32;
        R_X86_64_CODE_6_GOTPCRELX EntryDistance(None), Signed32;
        R_X86_64_GOTPCREL64 EntryDistance(None), Word64;
        R_X86_64_GOT32 EntryOffset, Signed32;
        R_X86_64_GOT64 EntryOffset, Word64;
        R_X86_64_GOTPLT64 EntryOffset, Word64;
        R_X86_64_GOTOFF64 GotOffset, Word64;
        R_X86_64_PLTOFF64 CallGotOffset, Word64;
        R_X86_64_GOTPC32 GotDistance, Signed32;
        R_X86_64_GOTPC64 GotDistance, Word64;
        R_X86_64_SIZE32 Size, Unsigned32;
        R_X86_64_SIZE64 Size, Word64;
        R_X86_64_TLSGD ThreadPair, Signed32;
        R_X86_64_TLSLD ThreadModule, Signed32;
        R_X86_64_DTPOFF32 ThreadBlock, Signed32;
        R_X86_64_DTPOFF64 ThreadBlock, Word64;
        R_X86_64_GOTTPOFF ThreadWord, Signed32;
        R_X86_64_CODE_4_GOTTPOFF ThreadWord, Signed32;
        R_X86_64_CODE_5_GOTTPOFF ThreadWord, Signed32;
        R_X86_64_CODE_6_GOTTPOFF ThreadWord, Signed32;
        R_X86_64_TPOFF32 ThreadOffset, Signed32;
        R_X86_64_TPOFF64 ThreadOffset, Word64;
    }
}

fn refusal(code: elf::RelocationType) -> &'static str {
    match code {
        elf::R_X86_64_GOTPC32_TLSDESC
        | elf::R_X86_64_TLSDESC_CALL
        | elf::R_X86_64_TLSDESC
        | elf::R_X86_64_CODE_4_GOTPC32_TLSDESC
        | elf::R_X86_64_CODE_5_GOTPC32_TLSDESC
        | elf::R_X86_64_CODE_6_GOTPC32_TLSDESC => "TLS descriptors can't be checked",
        elf::R_X86_64_COPY
        | elf::R_X86_64_GLOB_DAT
        | elf::R_X86_64_JUMP_SLOT
        | elf::R_X86_64_RELATIVE
        | elf::R_X86_64_RELATIVE64
        | elf::R_X86_64_IRELATIVE
        | elf::R_X86_64_DTPMOD64 => "a dynamic relocation in a relocatable object",
        _ => "unknown relocation type",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_for_what_the_processor_makes_of_them() {
        assert_eq!(Field::Signed32.value(&[0xff; 4]), u64::MAX);
        assert_eq!(Field::Unsigned32.value(&[0xff; 4]), 0xffff_ffff);
        assert_eq!(Field::Signed8.value(&[0x80]), -128_i64 as u64);
        assert!(Field::Any8.holds(0x80, 0x80) && Field::Any8.holds(0x80, -128_i64 as u64));
        assert!(!Field::Any8.holds(0x80, 0x180));
        assert!(!Field::Unsigned32.holds(0xffff_ffff, u64::MAX));
        assert!(!Field::Signed32.holds(u64::MAX, 0xffff_ffff));
    }

    #[test]
    fn every_type_below_the_last_is_known_or_refused_with_a_reason() {
        let known = (0..52).filter(|code| rule(*code).is_ok()).count();
        assert_eq!(known, 37);
        assert!(rule(34).unwrap_err().contains("TLS descriptors"));
        assert!(rule(8).unwrap_err().contains("dynamic"));
        assert!(rule(u32::MAX).unwrap_err().contains("unknown"));
    }
}
