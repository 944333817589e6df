//! An independent link checker for x86-64 ELF.
//!
//! It takes a relocatable object and the bytes that a linker made of it, and recomputes every
//! relocation from the formula in the psABI ("System V Application Binary Interface, AMD64
//! Architecture Processor Supplement", section 4.4 and its chapter on thread-local storage). A
//! linker goes from the formula to the bytes. The checker goes the other way: it reads the bytes,
//! works out what they reach, and compares that with what the object asked for. So it accepts
//! each of the ways in which a linker may rewrite an instruction (psABI, section B.2), and it can
//! tell who uses what from the linked bytes alone ([`Use`]).
//!
//! It shares no code with any linker. A mistake in one is unlikely to be repeated in the other.
//!
//! ```text
//! object.rs       ELF bytes -> sections, symbols, relocations
//! symbols.rs      what each symbol stands for in this link
//! memory.rs       the linked bytes, by address
//! formula.rs      the psABI's table: relocation type -> formula and field
//! got_base.rs     where the GOT is, if the caller doesn't say
//! instruction.rs  the few instructions that a linker may rewrite
//! entry.rs        the stubs that a call may go through
//! relocation.rs   checks one relocation
//! frames.rs       which frame descriptions are of discarded code
//! compare.rs      all that is not a field must be the object's own bytes
//! ```
//!
//! What is not checked: whether a link *should* have succeeded as far as symbol resolution goes
//! (the caller says what each symbol was bound to), and anything outside of loaded sections.
#![forbid(unsafe_code)]

mod compare;
mod entry;
mod error;
mod formula;
mod frames;
mod got_base;
mod instruction;
mod linked;
mod memory;
mod object;
mod relocation;
mod report;
mod symbols;

pub use error::CheckError;
pub use linked::{Linked, Meaning, Span};
pub use report::{Difference, Outcome, Use, UseKind};

/// Recomputes every relocation of every loaded section of one object, and compares all other
/// bytes of these sections with the object's.
///
/// Costs O((relocations + symbols) * log symbols + bytes).
///
/// # Errors
///
/// An object that can't be read, isn't a relocatable x86-64 ELF object, or has a relocation of a
/// type that has no place in one; a section or symbol index of `linked` that the object doesn't
/// have; spans that overlap. A link that went wrong is no error: it is in
/// [`Outcome::differences`].
pub fn check(linked: &Linked<'_>) -> Result<Outcome, CheckError> {
    compare::check(linked)
}
