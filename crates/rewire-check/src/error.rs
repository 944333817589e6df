//! What keeps a link from being checked at all.

/// Why a link can't be checked. Each error names the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The object's headers or tables can't be read, or it is not a relocatable x86-64 object.
    #[error("the object can't be read: {reason}")]
    Object {
        /// What is wrong.
        reason: String,
    },
    /// A section header, or a section index given by the caller, is of no use.
    #[error("section {section}: {reason}")]
    Section {
        /// The section's ELF index.
        section: usize,
        /// What is wrong.
        reason: String,
    },
    /// A symbol, or a symbol index given by the caller, is of no use.
    #[error("symbol {symbol}: {reason}")]
    Symbol {
        /// The symbol's ELF index.
        symbol: usize,
        /// What is wrong.
        reason: String,
    },
    /// A relocation that can't be in a relocatable object, or that no formula is known for.
    #[error("{section}+{offset:#x}: {reason}")]
    Relocation {
        /// The name of the section that the relocation applies to.
        section: String,
        /// The field's offset in that section, in bytes.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// A span of memory that wraps around, or overlaps another one.
    #[error("the span of memory at {address:#x} {reason}")]
    Span {
        /// The span's address.
        address: u64,
        /// What is wrong.
        reason: &'static str,
    },
}
