//! The relocations of x86-64 ELF objects.
//!
//! An x86-64 instruction reaches memory and jump targets with a signed 32-bit displacement that
//! is added to the address of the *next* instruction. The displacement mostly is the last field
//! of its instruction, so P, the address of the field, lies 4 below the address that the
//! processor adds to: this is why nearly every PC-relative relocation has -4 in its addend (-5
//! where an 8-bit immediate follows the displacement, -8 before a 32-bit one). Every addend
//! stands in the relocation (`RELA`); what the field held before is ignored.
//!
//! Hence the one hard rule of the architecture: what is named by `PC32` or `PLT32` must lie
//! within 2 GiB. The compiler names in that way what it believes to be near (its own module's
//! symbols, and every function that it calls), and otherwise goes through the *global offset
//! table*: `GOTPCREL` is the displacement to an 8-byte word that holds the full address, and the
//! instruction loads it. The linker makes the words. Where the address turns out to be near
//! after all, the load is a waste, and the kinds with an X mark instructions that the linker may
//! rewrite so as to do without: `mov foo@GOTPCREL(%rip), %rax` becomes `lea foo(%rip), %rax`
//! (psABI, section B.2; `relax.rs`). There are several X kinds because the rewriting must know
//! how many prefix bytes stand before the opcode: none (`GOTPCRELX`), a REX byte
//! (`REX_GOTPCRELX`), REX2 (`CODE_4`), or EVEX (`CODE_5`, `CODE_6`).
//!
//! `PLT32` means "call this, through a procedure linkage table if you must". There is no PLT
//! here: the caller binds a function to an address in reach, so that L, the address of the PLT
//! entry, is S.
//!
//! Thread-local variables come in four *models* (psABI section 4.5 and Drepper's "ELF Handling
//! For Thread-Local Storage"): general dynamic calls `__tls_get_addr` with a pair (module,
//! offset) in the GOT (`TLSGD`); local dynamic asks once for the object's module (`TLSLD`) and
//! adds `DTPOFF32`; initial exec loads the offset from the thread pointer out of the GOT
//! (`GOTTPOFF`); local exec has it in the instruction (`TPOFF32`). Models aren't rewritten into
//! one another: the caller binds each symbol as its object accesses it. TLS descriptors
//! (`GOTPC32_TLSDESC`, `TLSDESC_CALL`) are refused when the object is parsed.
//!
//! The large code model computes the GOT's address (`GOTPC64`) and adds 64-bit distances to it
//! (`GOTOFF64`, `GOT64`, `PLTOFF64`). "The GOT" is each object's own.

use std::fmt;

use object::elf;

use crate::reloc::{Field, Formula, RelocKind};

/// What there is to know of one kind of relocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RelocSpec {
    pub(crate) kind: RelocKind,
    pub(crate) code: u32,
    pub(crate) name: &'static str,
    pub(crate) formula: Formula,
    pub(crate) field: Field,
}

macro_rules! specs {
    ($($kind:ident, $code:ident, $formula:ident, $field:ident;)*) => {
        /// All kinds, in the order of [`RelocKind`]'s variants.
        pub(crate) const SPECS: [RelocSpec; [$(RelocKind::$kind),*].len()] = [$(RelocSpec {
            kind: RelocKind::$kind,
            code: elf::$code.0,
            name: stringify!($code),
            formula: Formula::$formula,
            field: Field::$field,
        }),*];
    };
}

// psABI table 4.9 ("Relocation Types"). The field tells the range: what doesn't fit is an error,
// as the psABI asks for; for the 16- and 8-bit kinds, which say nothing about signs, either
// reading will do.
specs! {
    // S + A
    Abs64, R_X86_64_64, Absolute, Word64;
    // S + A, zero-extended (32) or sign-extended (32S) by the instruction
    Abs32, R_X86_64_32, Absolute, Unsigned32;
    Abs32S, R_X86_64_32S, Absolute, Signed32;
    Abs16, R_X86_64_16, Absolute, Either16;
    Abs8, R_X86_64_8, Absolute, Either8;
    // S + A - P
    Pc64, R_X86_64_PC64, PcRelative, Word64;
    Pc32, R_X86_64_PC32, PcRelative, Signed32;
    Pc16, R_X86_64_PC16, PcRelative, Signed16;
    Pc8, R_X86_64_PC8, PcRelative, Signed8;
    // L + A - P, where L is S
    Plt32, R_X86_64_PLT32, PcRelative, Signed32;
    // L + A - GOT, where L is S
    PltOff64, R_X86_64_PLTOFF64, GotRelative, Word64;
    // G + GOT + A - P
    GotPcRel, R_X86_64_GOTPCREL, GotEntryPc, Signed32;
    // the same, in an instruction that may be rewritten
    GotPcRelX, R_X86_64_GOTPCRELX, GotEntryPc, Signed32;
    RexGotPcRelX, R_X86_64_REX_GOTPCRELX, GotEntryPc, Signed32;
    Code4GotPcRelX, R_X86_64_CODE_4_GOTPCRELX, GotEntryPc, Signed32;
    Code5GotPcRelX, R_X86_64_CODE_5_GOTPCRELX, GotEntryPc, Signed32;
    Code6GotPcRelX, R_X86_64_CODE_6_GOTPCRELX, GotEntryPc, Signed32;
    GotPcRel64, R_X86_64_GOTPCREL64, GotEntryPc, Word64;
    // G + A
    Got32, R_X86_64_GOT32, GotEntryOffset, Signed32;
    Got64, R_X86_64_GOT64, GotEntryOffset, Word64;
    // G + A, with a PLT entry made as well; there is no PLT, so like GOT64
    GotPlt64, R_X86_64_GOTPLT64, GotEntryOffset, Word64;
    // S + A - GOT
    GotOff64, R_X86_64_GOTOFF64, GotRelative, Word64;
    // GOT + A - P; the symbol, `_GLOBAL_OFFSET_TABLE_`, isn't looked at
    GotPc32, R_X86_64_GOTPC32, GotBasePc, Signed32;
    GotPc64, R_X86_64_GOTPC64, GotBasePc, Word64;
    // Z + A
    Size32, R_X86_64_SIZE32, Size, Unsigned32;
    Size64, R_X86_64_SIZE64, Size, Word64;
    // displacement to a pair for `__tls_get_addr`
    TlsGd, R_X86_64_TLSGD, ThreadPairPc, Signed32;
    TlsLd, R_X86_64_TLSLD, ThreadModulePc, Signed32;
    // offset in the module's block + A
    DtpOff32, R_X86_64_DTPOFF32, ThreadBlockOffset, Signed32;
    DtpOff64, R_X86_64_DTPOFF64, ThreadBlockOffset, Word64;
    // displacement to an entry with the offset from the thread pointer
    GotTpOff, R_X86_64_GOTTPOFF, ThreadOffsetEntryPc, Signed32;
    Code4GotTpOff, R_X86_64_CODE_4_GOTTPOFF, ThreadOffsetEntryPc, Signed32;
    Code5GotTpOff, R_X86_64_CODE_5_GOTTPOFF, ThreadOffsetEntryPc, Signed32;
    Code6GotTpOff, R_X86_64_CODE_6_GOTTPOFF, ThreadOffsetEntryPc, Signed32;
    // offset from the thread pointer + A
    TpOff32, R_X86_64_TPOFF32, ThreadOffset, Signed32;
    TpOff64, R_X86_64_TPOFF64, ThreadOffset, Word64;
}

/// The kind's row of the table.
pub(crate) const fn spec(kind: RelocKind) -> &'static RelocSpec {
    &SPECS[kind as usize]
}

impl RelocKind {
    /// The number of the kind, for [`RelocKind::from_number`].
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The kind with a number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        SPECS.get(usize::from(number)).map(|spec| spec.kind)
    }

    /// What the relocation computes.
    #[must_use]
    pub const fn formula(self) -> Formula {
        spec(self).formula
    }

    /// The field that takes the value.
    #[must_use]
    pub const fn field(self) -> Field {
        spec(self).field
    }

    /// The psABI's name, such as `R_X86_64_PC32`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        spec(self).name
    }
}

impl fmt::Display for RelocKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One past the highest relocation number of the psABI that is known here.
const CODES: usize = 52;

/// From the file's relocation number to the kind, so that decoding is one load.
const DECODE: [Option<RelocKind>; CODES] = {
    let mut table = [None; CODES];
    let mut row = 0;
    while row < SPECS.len() {
        // The table must be in the order of the variants for `spec` to find its row.
        assert!(SPECS[row].kind as usize == row);
        table[SPECS[row].code as usize] = Some(SPECS[row].kind);
        row += 1;
    }
    table
};

/// The kind of a file's relocation number; `None` for what isn't supported.
pub(crate) fn decode(code: u32) -> Option<RelocKind> {
    DECODE.get(code as usize).copied().flatten()
}

/// Why a relocation number that [`decode`] doesn't know is refused.
pub(crate) fn refusal(code: u32) -> &'static str {
    match elf::RelocationType(code) {
        elf::R_X86_64_GOTPC32_TLSDESC
        | elf::R_X86_64_TLSDESC_CALL
        | elf::R_X86_64_TLSDESC
        | elf::R_X86_64_CODE_4_GOTPC32_TLSDESC
        | elf::R_X86_64_CODE_5_GOTPC32_TLSDESC
        | elf::R_X86_64_CODE_6_GOTPC32_TLSDESC => {
            "TLS descriptors are not supported; compile with -mtls-dialect=gnu"
        }
        elf::R_X86_64_COPY
        | elf::R_X86_64_GLOB_DAT
        | elf::R_X86_64_JUMP_SLOT
        | elf::R_X86_64_RELATIVE
        | elf::R_X86_64_RELATIVE64
        | elf::R_X86_64_IRELATIVE
        | elf::R_X86_64_DTPMOD64 => "a dynamic relocation has no place in a relocatable object",
        _ => "unknown relocation type",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_decodes_from_its_own_number() {
        for spec in &SPECS {
            assert_eq!(decode(spec.code), Some(spec.kind));
            assert_eq!(spec.kind.name(), spec.name);
        }
        assert_eq!(decode(elf::R_X86_64_NONE.0), None);
        assert_eq!(decode(34), None);
        assert_eq!(decode(u32::MAX), None);
        assert!(refusal(34).contains("TLS descriptors"));
    }
}
