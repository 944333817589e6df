//! The kinds of relocations that an object can have.

use object::elf::{self, RelocationType};

use super::input::Relocation;

/// What has to be known to write one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) code: RelocationType,
    pub(crate) width: usize,
    /// How many prefix bytes its instruction has.
    pub(crate) prefixes: usize,
    pub(crate) of: Of,
    /// Whether it is about the distance from its field.
    pub(crate) is_relative: bool,
}

/// What a relocation wants of its symbol.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Of {
    Address,
    /// Nothing: the GOT is meant.
    Got,
    Size,
    /// A thread-local variable's module and offset.
    Module,
    /// A thread-local variable's offset from the thread pointer.
    Offset,
}

const fn kind(code: RelocationType, width: usize, of: Of) -> Kind {
    Kind {
        code,
        width,
        prefixes: 0,
        of,
        is_relative: false,
    }
}

const fn relative(code: RelocationType, width: usize, of: Of, prefixes: usize) -> Kind {
    Kind {
        prefixes,
        is_relative: true,
        ..kind(code, width, of)
    }
}

/// All of them.
pub(crate) const KINDS: [Kind; 36] = [
    kind(elf::R_X86_64_64, 8, Of::Address),
    relative(elf::R_X86_64_PC32, 4, Of::Address, 0),
    relative(elf::R_X86_64_PLT32, 4, Of::Address, 0),
    relative(elf::R_X86_64_GOTPCREL, 4, Of::Address, 0),
    relative(elf::R_X86_64_GOTPCRELX, 4, Of::Address, 0),
    relative(elf::R_X86_64_REX_GOTPCRELX, 4, Of::Address, 1),
    relative(elf::R_X86_64_CODE_4_GOTPCRELX, 4, Of::Address, 2),
    relative(elf::R_X86_64_CODE_5_GOTPCRELX, 4, Of::Address, 2),
    relative(elf::R_X86_64_CODE_6_GOTPCRELX, 4, Of::Address, 2),
    kind(elf::R_X86_64_32, 4, Of::Address),
    kind(elf::R_X86_64_32S, 4, Of::Address),
    kind(elf::R_X86_64_16, 2, Of::Address),
    kind(elf::R_X86_64_8, 1, Of::Address),
    relative(elf::R_X86_64_PC64, 8, Of::Address, 0),
    relative(elf::R_X86_64_PC16, 2, Of::Address, 0),
    relative(elf::R_X86_64_PC8, 1, Of::Address, 0),
    relative(elf::R_X86_64_GOTPCREL64, 8, Of::Address, 0),
    kind(elf::R_X86_64_GOT32, 4, Of::Address),
    kind(elf::R_X86_64_GOT64, 8, Of::Address),
    kind(elf::R_X86_64_GOTPLT64, 8, Of::Address),
    kind(elf::R_X86_64_GOTOFF64, 8, Of::Address),
    kind(elf::R_X86_64_PLTOFF64, 8, Of::Address),
    relative(elf::R_X86_64_GOTPC32, 4, Of::Got, 0),
    relative(elf::R_X86_64_GOTPC64, 8, Of::Got, 0),
    kind(elf::R_X86_64_SIZE32, 4, Of::Size),
    kind(elf::R_X86_64_SIZE64, 8, Of::Size),
    relative(elf::R_X86_64_TLSGD, 4, Of::Module, 0),
    relative(elf::R_X86_64_TLSLD, 4, Of::Module, 0),
    kind(elf::R_X86_64_DTPOFF32, 4, Of::Module),
    kind(elf::R_X86_64_DTPOFF64, 8, Of::Module),
    relative(elf::R_X86_64_GOTTPOFF, 4, Of::Offset, 1),
    relative(elf::R_X86_64_CODE_4_GOTTPOFF, 4, Of::Offset, 2),
    relative(elf::R_X86_64_CODE_5_GOTTPOFF, 4, Of::Offset, 2),
    relative(elf::R_X86_64_CODE_6_GOTTPOFF, 4, Of::Offset, 2),
    kind(elf::R_X86_64_TPOFF32, 4, Of::Offset),
    kind(elf::R_X86_64_TPOFF64, 8, Of::Offset),
];

/// The kind that frame descriptions use.
pub(crate) fn pc32() -> Kind {
    KINDS[1]
}

/// The kind of a relocation of a symbol that is thread-local or not.
pub(crate) fn choose(relocation: &Relocation, is_thread: bool, is_offset: bool) -> Kind {
    let fits = |kind: &Kind| match kind.of {
        Of::Address | Of::Got | Of::Size => !is_thread,
        Of::Module => is_thread && !is_offset,
        Of::Offset => is_thread && is_offset,
    };
    let all = relocation.need_not_fit % 16 == 15;
    let fitting: Vec<Kind> = KINDS.into_iter().filter(|kind| all || fits(kind)).collect();
    fitting[usize::from(relocation.kind) % fitting.len()]
}
