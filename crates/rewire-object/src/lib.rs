//! Object bytes to link graph, layout and fixed-up bytes; no LLVM and no live memory.
//!
//! The way through is one line, and each step borrows the one before it immutably:
//!
//! ```text
//! bytes --parse()--> LinkGraph --Layout::new()--> Layout --link()--> Image
//!                        \------- Bindings (the caller's answers) ------/
//! ```
//!
//! - [`parse()`] reads a relocatable ELF object into a [`LinkGraph`]: sections, symbols and
//!   relocations, all indexed by small integers, every range already checked.
//! - The caller says in [`Bindings`] what each symbol means. This crate never looks a name up.
//! - [`Layout::new`] decides which section lies where, and which symbols need a GOT entry. From
//!   here on the sizes of the three segments are final, so memory can be reserved.
//! - [`link()`] copies the sections for their final addresses and applies each relocation as it
//!   copies.
//! - [`sites()`] names the live address of each relocation, for whoever keeps book of the users
//!   of a symbol.
//!
//! What is deliberately absent: LLVM, live memory, symbol lookup, the choice among several
//! definitions of a name. Malformed input is an error, never a panic; an error names the object,
//! section, offset and symbol.
#![forbid(unsafe_code)]

pub mod addr;
mod archive;
pub mod bind;
mod calls;
mod eh_frame;
pub mod error;
pub mod fixup;
mod got;
pub mod graph;
pub mod layout;
pub mod parse;
mod relax;
pub mod reloc;
mod sections;
pub mod sites;
mod symbol_ids;
mod symbol_state;
mod symbols;
pub mod x86_64;

pub use addr::ExecAddr;
pub use archive::{ArchiveContents, ArchiveMember, read_archive};
pub use bind::{Binding, Bindings};
pub use calls::called_symbols;
pub use eh_frame::Frame;
pub use error::{LinkError, ObjectError};
pub use fixup::{Image, Placement, link};
pub use got::GotKind;
pub use graph::{
    Arch, ComdatGroup, LinkGraph, Relocation, Section, SectionId, SectionRole, Segment, Symbol,
    SymbolBinding, SymbolId, SymbolKind, SymbolPlace, Visibility,
};
pub use layout::{Extent, GotEntry, Layout};
pub use parse::parse;
pub use reloc::{Formula, RelocKind};
pub use sites::{Site, sites};
