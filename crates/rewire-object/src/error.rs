//! What can be wrong with an object, and with linking it.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::addr::ExecAddr;
use crate::graph::{LinkGraph, Relocation, Section, Segment};
use crate::reloc::RelocKind;

/// Why an object's bytes can't be turned into a link graph.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// The file as a whole isn't an ELF64 little-endian x86-64 relocatable object.
    #[error("{object}: {reason}")]
    Format {
        /// The object's name.
        object: Arc<str>,
        /// What is wrong, in words.
        reason: String,
    },
    /// A section is malformed, or of a type that isn't supported.
    #[error("{object}: {}: {reason}", section_place(section, *index))]
    Section {
        /// The object's name.
        object: Arc<str>,
        /// The section's name, or `?` where it has none that can be read.
        section: String,
        /// Its index in the section table.
        index: usize,
        /// What is wrong, in words.
        reason: String,
    },
    /// A symbol is malformed, or of a type that isn't supported.
    #[error("{object}: symbol {symbol:?} (index {index}): {reason}")]
    Symbol {
        /// The object's name.
        object: Arc<str>,
        /// The symbol's name, or empty.
        symbol: String,
        /// Its index in the symbol table.
        index: usize,
        /// What is wrong, in words.
        reason: String,
    },
    /// A relocation is malformed, or of a type that isn't supported.
    #[error("{object}: {section}+{offset:#x}: relocation type {code}{}: {reason}", against(.symbol))]
    Relocation {
        /// The object's name.
        object: Arc<str>,
        /// The name of the section to be fixed up.
        section: String,
        /// The relocation's offset in that section, in bytes.
        offset: u64,
        /// The relocation's number in the psABI.
        code: u32,
        /// The symbol's name, or empty where it has none.
        symbol: String,
        /// What is wrong, in words.
        reason: String,
    },
}

/// A section as people know it: by the function or variable that it is for, where compilers give
/// each one of its own (`-ffunction-sections`, `-fdata-sections`).
fn section_place(section: &str, index: usize) -> String {
    let kinds = [
        ".text.",
        ".data.rel.ro.",
        ".data.",
        ".bss.",
        ".rodata.",
        ".tdata.",
        ".tbss.",
    ];
    match kinds.iter().find_map(|kind| section.strip_prefix(kind)) {
        Some(symbol) if !symbol.is_empty() => format!("{symbol} (section {section})"),
        _ => format!("section {section} (index {index})"),
    }
}

fn against(symbol: &str) -> String {
    if symbol.is_empty() {
        String::new()
    } else {
        format!(" against {symbol}")
    }
}

/// Which relocation an error is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Culprit {
    /// The object's name.
    pub object: Arc<str>,
    /// The section to be fixed up.
    pub section: String,
    /// The field's offset in that section, in bytes.
    pub offset: u64,
    /// The symbol that the relocation refers to.
    pub symbol: String,
    /// The relocation's kind.
    pub kind: RelocKind,
}

impl Culprit {
    /// The names of a relocation and of all around it.
    #[cold]
    pub(crate) fn new(graph: &LinkGraph<'_>, section: &Section<'_>, at: &Relocation) -> Box<Self> {
        Box::new(Self {
            object: graph.name.clone(),
            section: section.name.to_owned(),
            offset: at.offset,
            symbol: graph.symbol_label(at.symbol).to_owned(),
            kind: at.kind,
        })
    }
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}+{:#x}: {} against {}",
            self.object, self.section, self.offset, self.kind, self.symbol
        )
    }
}

/// Why a link graph can't be laid out or fixed up.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LinkError {
    /// A kept relocation refers to a symbol that the caller left unbound.
    #[error("{at}: the symbol is not bound to anything")]
    Unbound {
        /// The relocation.
        at: Box<Culprit>,
    },
    /// A relocation's value doesn't fit in its field.
    #[error("{at}: the value {value:#x} does not fit in {} bits", .at.kind.field().width() * 8)]
    OutOfRange {
        /// The relocation.
        at: Box<Culprit>,
        /// The value of its formula.
        value: i64,
    },
    /// A kept relocation refers to what lies in a discarded section.
    #[error("{at}: the symbol is defined in a discarded section")]
    Discarded {
        /// The relocation.
        at: Box<Culprit>,
    },
    /// The symbol's binding doesn't give what the formula needs.
    #[error("{at}: the relocation needs {need}, which the symbol's binding does not give")]
    Mismatch {
        /// The relocation.
        at: Box<Culprit>,
        /// What is needed, in words.
        need: &'static str,
    },
    /// The object was compiled on the assumption that the variable lies at a fixed distance from
    /// the thread pointer (initial-exec or local-exec access), and it doesn't.
    #[error(
        "{at}: the thread-local variable isn't in the static thread-local storage of the program, \
         as code compiled without -fPIC expects"
    )]
    StaticThread {
        /// The relocation.
        at: Box<Culprit>,
    },
    /// A relocation's field lies outside of its section. Only with a graph that [`parse`] didn't
    /// make.
    ///
    /// [`parse`]: crate::parse()
    #[error("{at}: the field is not inside its section")]
    OutsideSection {
        /// The relocation.
        at: Box<Culprit>,
    },
    /// The object is too large to be linked.
    #[error("{object}: the {segment} segment would exceed {limit:#x} bytes")]
    TooLarge {
        /// The object's name.
        object: Arc<str>,
        /// The segment.
        segment: Segment,
        /// The most that a segment can have.
        limit: u64,
    },
    /// The graph, the bindings and the layout don't belong together.
    #[error("{object}: {reason}")]
    Inconsistent {
        /// The object's name.
        object: Arc<str>,
        /// What doesn't fit, in words.
        reason: &'static str,
    },
    /// A segment was placed where it can't be.
    #[error("{object}: {segment} segment at {at}: {reason}")]
    Placement {
        /// The object's name.
        object: Arc<str>,
        /// The segment.
        segment: Segment,
        /// Where it was placed.
        at: ExecAddr,
        /// What is wrong with that, in words.
        reason: &'static str,
    },
}

impl LinkError {
    /// A segment of the graph would be larger than [`Segment::MAX_SIZE`].
    #[cold]
    pub(crate) fn too_large(graph: &LinkGraph<'_>, segment: Segment) -> Self {
        Self::TooLarge {
            object: graph.name.clone(),
            segment,
            limit: Segment::MAX_SIZE,
        }
    }
}
