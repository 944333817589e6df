//! What a relocation is, whatever the architecture: a formula and the field that takes its value.

/// The kind of a relocation. `x86_64.rs` gives the formula and range of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the names are those of the psABI; x86_64.rs documents each in its table"
)]
pub enum RelocKind {
    Abs64,
    Abs32,
    Abs32S,
    Abs16,
    Abs8,
    Pc64,
    Pc32,
    Pc16,
    Pc8,
    Plt32,
    PltOff64,
    GotPcRel,
    GotPcRelX,
    RexGotPcRelX,
    Code4GotPcRelX,
    Code5GotPcRelX,
    Code6GotPcRelX,
    GotPcRel64,
    Got32,
    Got64,
    GotPlt64,
    GotOff64,
    GotPc32,
    GotPc64,
    Size32,
    Size64,
    TlsGd,
    TlsLd,
    DtpOff32,
    DtpOff64,
    GotTpOff,
    Code4GotTpOff,
    Code5GotTpOff,
    Code6GotTpOff,
    TpOff32,
    TpOff64,
}

/// What is computed. The letters are the psABI's (section 4.4.1): S the symbol's address, A the
/// addend, P the address of the field, G the offset of the symbol's GOT entry from the GOT's
/// start, GOT the address of that start, Z the symbol's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Formula {
    /// S + A
    Absolute,
    /// S + A - P
    PcRelative,
    /// G + GOT + A - P, the entry holding S
    GotEntryPc,
    /// G + A, the entry holding S
    GotEntryOffset,
    /// S + A - GOT
    GotRelative,
    /// GOT + A - P
    GotBasePc,
    /// Z + A
    Size,
    /// G + GOT + A - P, the entry being the pair (module of S, offset of S)
    ThreadPairPc,
    /// G + GOT + A - P, the entry being the pair (module of the object, 0)
    ThreadModulePc,
    /// (offset of S in its module's thread-local block) + A
    ThreadBlockOffset,
    /// G + GOT + A - P, the entry holding S's offset from the thread pointer
    ThreadOffsetEntryPc,
    /// (offset of S from the thread pointer) + A
    ThreadOffset,
}

impl Formula {
    /// Whether the formula names P, so that the field must lie at a fixed address.
    #[must_use]
    pub const fn needs_place(self) -> bool {
        matches!(
            self,
            Self::PcRelative
                | Self::GotEntryPc
                | Self::GotBasePc
                | Self::ThreadPairPc
                | Self::ThreadModulePc
                | Self::ThreadOffsetEntryPc
        )
    }
}

/// The field that takes a value, and the values that it can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// 8 bytes, any value.
    Word64,
    /// 4 bytes that the processor sign-extends: -2^31 to 2^31-1.
    Signed32,
    /// 4 bytes that the processor zero-extends: 0 to 2^32-1.
    Unsigned32,
    /// 2 bytes, signed or unsigned: -2^15 to 2^16-1.
    Either16,
    /// 2 bytes, -2^15 to 2^15-1.
    Signed16,
    /// 1 byte, signed or unsigned: -2^7 to 2^8-1.
    Either8,
    /// 1 byte, -2^7 to 2^7-1.
    Signed8,
}

impl Field {
    /// The field's width in bytes.
    #[must_use]
    pub const fn width(self) -> usize {
        match self {
            Self::Word64 => 8,
            Self::Signed32 | Self::Unsigned32 => 4,
            Self::Either16 | Self::Signed16 => 2,
            Self::Either8 | Self::Signed8 => 1,
        }
    }

    /// Whether the field can take the value.
    #[must_use]
    pub const fn holds(self, value: i64) -> bool {
        let (low, high) = match self {
            Self::Word64 => return true,
            Self::Signed32 => (i32::MIN as i64, i32::MAX as i64),
            Self::Unsigned32 => (0, u32::MAX as i64),
            Self::Either16 => (i16::MIN as i64, u16::MAX as i64),
            Self::Signed16 => (i16::MIN as i64, i16::MAX as i64),
            Self::Either8 => (i8::MIN as i64, u8::MAX as i64),
            Self::Signed8 => (i8::MIN as i64, i8::MAX as i64),
        };
        low <= value && value <= high
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_hold_their_range_and_no_more() {
        for (field, low, high) in [
            (Field::Signed32, -(1 << 31), (1 << 31) - 1),
            (Field::Unsigned32, 0, (1 << 32) - 1),
            (Field::Either16, -(1 << 15), (1 << 16) - 1),
            (Field::Signed16, -(1 << 15), (1 << 15) - 1),
            (Field::Either8, -(1 << 7), (1 << 8) - 1),
            (Field::Signed8, -(1 << 7), (1 << 7) - 1),
        ] {
            assert!(field.holds(low) && field.holds(high), "{field:?}");
            assert!(!field.holds(low - 1) && !field.holds(high + 1), "{field:?}");
        }
        assert!(Field::Word64.holds(i64::MIN) && Field::Word64.holds(i64::MAX));
    }
}
