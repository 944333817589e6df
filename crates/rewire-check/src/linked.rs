//! What a caller says about a link.

use std::collections::BTreeMap;

/// One object, and what a linker made of it.
#[derive(Clone, Debug)]
pub struct Linked<'a> {
    /// The ELF relocatable object that was linked.
    pub object: &'a [u8],
    /// From ELF section index to run-time address. A section that is absent was discarded or is
    /// not loaded. A thread-local section's address is where its initial image stands.
    pub sections: BTreeMap<usize, u64>,
    /// The linked bytes, as they stand in memory: those of the sections, and also the GOT's words
    /// and the entries (PLT) that calls go through. Zero-filled sections need not be here. Spans
    /// may be in any order, and must not overlap.
    pub memory: &'a [Span<'a>],
    /// From ELF symbol index to what the link bound the symbol to, for each symbol that it bound
    /// to something other than the object's own definition. A symbol that is absent means that
    /// definition, and nothing ([`Meaning::Unbound`]) if there is none.
    ///
    /// Thread-local symbols that are used must be here even if the object defines them, for their
    /// address means nothing; the same holds for indirect functions (`STT_GNU_IFUNC`). If
    /// `_GLOBAL_OFFSET_TABLE_` is used and is not here, the GOT's address is the one that most of
    /// the relocations that depend on it agree on.
    pub symbols: BTreeMap<usize, Meaning>,
}

/// A piece of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span<'a> {
    /// The run-time address of the first byte.
    pub address: u64,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// What a symbol was bound to.
///
/// Where a section describes the very body of a function (`.eh_frame`, `.gcc_except_table`,
/// `.llvm_stackmaps`, `.debug_*`), a function that the object itself defines in a placed section is
/// always that body, whatever its name is bound to elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// An address: S in the psABI's formulas (section 4.4.1).
    Address {
        /// The run-time address.
        address: u64,
        /// Where a call may go instead (L in the formulas): a stub that leads to the same
        /// function; or, for a symbol that is a word holding a function's address
        /// (`call *f.slot(%rip)`), the function that a direct call may go to. `PLT32`,
        /// `PLTOFF64`, and calls and jumps through the GOT may use it.
        call: Option<u64>,
    },
    /// An undefined weak symbol that nothing defines: its address is 0.
    Null,
    /// A thread-local variable, as general-dynamic and local-dynamic access see it: the pair that
    /// `__tls_get_addr` takes, and that a GOT entry for `TLSGD` must hold.
    Thread {
        /// The module's number.
        module: u64,
        /// Bytes from the start of the module's thread-local block.
        offset: u64,
    },
    /// A thread-local variable, as initial-exec and local-exec access see it: its offset in bytes
    /// from the thread pointer, which a GOT entry for `GOTTPOFF` must hold.
    ThreadOffset(i64),
    /// Nothing. Any relocation of a loaded section against it is a difference.
    Unbound,
}
