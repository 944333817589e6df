//! What can be wrong with a table.

use std::fmt;

use thiserror::Error;

/// Why the bytes of a table can't be read.
///
/// The error doesn't know which file or function the table is of; its reader does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{table}+{offset:#x}: {problem}")]
pub struct TableError {
    /// What was read.
    pub table: TableKind,
    /// Where the problem is, in bytes from the start of the bytes that were given.
    pub offset: usize,
    /// What is wrong.
    pub problem: TableProblem,
}

/// A kind of table, shown by the name of its section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// LLVM's stack maps, `.llvm_stackmaps`.
    StackMap,
    /// A function's language-specific data area, a part of `.gcc_except_table`.
    Exception,
    /// Frame descriptions, `.eh_frame`.
    Frames,
}

impl fmt::Display for TableKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StackMap => ".llvm_stackmaps",
            Self::Exception => ".gcc_except_table",
            Self::Frames => ".eh_frame",
        })
    }
}

/// What is wrong with a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TableProblem {
    /// Something would reach past the end of the bytes.
    #[error("the table ends in the middle of what stands here")]
    Truncated,
    /// The format's version isn't supported.
    #[error("version {0} of the format is not supported; LLVM 22 writes version 3")]
    Version(u8),
    /// The functions' counts of records don't add up to the number of records.
    #[error("the functions have {functions} records in all, but the table has {table}")]
    RecordCount {
        /// The sum of the functions' counts.
        functions: u64,
        /// The count in the table's header.
        table: u32,
    },
    /// A location of an unknown kind.
    #[error("location kind {0} is unknown")]
    LocationKind(u8),
    /// A location refers to a constant that the table doesn't have.
    #[error("constant {index} does not exist; the table has {count}")]
    ConstantIndex {
        /// The constant's number.
        index: u32,
        /// How many constants there are.
        count: u32,
    },
    /// A record doesn't have the form of a statepoint's.
    #[error("the record is not one of a statepoint: {0}")]
    NotAStatepoint(&'static str),
    /// A root in a register, which only code with a process-wide option of LLVM has.
    #[error(
        "a root is in register {0}; roots have to be in stack slots \
         (`-max-registers-for-gc-values` has to be 0)"
    )]
    RootInRegister(u16),
    /// A slot that is relative to another register than `rsp`, `rbp` or `rbx`.
    #[error("a stack slot is relative to DWARF register {0}; expected rsp (7), rbp (6) or rbx (3)")]
    BaseRegister(u16),
    /// A root is neither a pointer nor a vector of pointers.
    #[error("a root has {0} bytes; expected a multiple of 8")]
    RootSize(u16),
    /// The addresses of two statepoints are equal.
    #[error("two statepoints have the return address {0:#x}")]
    SameAddress(u64),
    /// An address is beyond the address space, or too far from the others of its table.
    #[error("the return address is more than 4 GiB from the table's first, or no address at all")]
    AddressOutOfRange,
    /// There is more than the table's numbers can count.
    #[error("the table is too large")]
    TooLarge,
    /// A pointer encoding that isn't known, or has no meaning here.
    #[error("pointer encoding {0:#04x} is not supported here")]
    PointerEncoding(u8),
    /// A number of variable length doesn't fit in 64 bits.
    #[error("a LEB128 number has more than 64 bits")]
    NumberTooLong,
    /// The call sites aren't in the order of their addresses.
    #[error("the call site begins before the end of the one in front of it")]
    CallSiteOrder,
    /// An action leads outside of the table of actions, or in a circle.
    #[error("the action's offset does not lead to an action")]
    ActionOffset,
    /// A type's number leads outside of the type table.
    #[error("the type table has no entry {0}")]
    TypeIndex(u64),
    /// A filter leads outside of the table of filters.
    #[error("the table has no filter {0}")]
    FilterIndex(i64),
    /// There is no frame description entry, or it refers to no common entry.
    #[error("this is not a frame description entry, nor what one refers to")]
    FrameRecord,
    /// A common entry of an unknown version.
    #[error("version {0} of a common information entry is not supported; expected 1 or 3")]
    FrameVersion(u8),
    /// A common entry with an unknown letter in its augmentation.
    #[error("the augmentation has the unknown letter {0:#04x}")]
    Augmentation(u8),
}
