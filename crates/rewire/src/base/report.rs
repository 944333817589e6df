//! What the engine did, in numbers.

use std::time::Duration;

/// A step of the way from IR to running code. Phases are disjoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Reading a file.
    Load,
    /// Reading a module and entering its names.
    Index,
    /// Cutting functions out of their module.
    Extract,
    /// LLVM's IR passes.
    Optimise,
    /// LLVM's code generation.
    Codegen,
    /// Parsing objects, layout, fix-up and copying.
    Link,
    /// Registering and making visible.
    Publish,
    /// Noting in the ledger what was linked, where it lies and what it uses.
    Record,
}

impl Phase {
    /// Its name, as reports have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Index => "index",
            Self::Extract => "extract",
            Self::Optimise => "optimise",
            Self::Codegen => "codegen",
            Self::Link => "link",
            Self::Publish => "publish",
            Self::Record => "record",
        }
    }
}

/// What the engine did so far.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Functions that were loaded with a body.
    pub functions_defined: u64,
    /// Functions entered at least once through the first-call path.
    pub functions_called: u64,
    /// Bodies that were compiled and linked.
    pub functions_compiled: u64,
    /// Of these, those that were compiled before they were called, because they surely would be.
    pub compiled_ahead: u64,
    /// How often a function got a new body.
    pub functions_replaced: u64,
    /// Bodies that nobody enters any more.
    pub definitions_retired: u64,
    /// Retired bodies whose memory was given back.
    pub definitions_freed: u64,
    /// Retired bodies that were compiled together with others, of which some are in force: their
    /// memory is given back together.
    pub definitions_beside: u64,
    /// Coroutines that are suspended in bodies which nobody enters any more: each keeps its body,
    /// for ever if it is never destroyed.
    pub suspended_coroutines: u64,
    /// Addresses of functions that left and that somebody may still know: each keeps its stub.
    pub tombstones: u64,
    /// Bytes of variables and constants of former bodies, which stay because somebody may have been
    /// given a pointer to them.
    pub bytes_kept: u64,
    /// Relocations that were applied.
    pub relocations_applied: u64,
    /// Bytes of code and stubs.
    pub code_bytes: u64,
    /// Bytes of constants, variables and slots.
    pub data_bytes: u64,
    /// Mappings of the kernel that the engine's memory takes.
    pub memory_maps: u64,
    /// Functions, and the stubs, whose frames the unwinder can pass through.
    pub unwind_entries: u64,
    /// The level that functions are compiled at.
    pub level: char,
    /// Reading files.
    pub load: Duration,
    /// Reading modules and entering their names.
    pub index: Duration,
    /// Cutting functions out of their modules.
    pub extract: Duration,
    /// LLVM's IR passes.
    pub optimise: Duration,
    /// LLVM's code generation.
    pub codegen: Duration,
    /// Parsing objects, layout, fix-up and copying.
    pub link: Duration,
    /// Registering and making visible.
    pub publish: Duration,
    /// Noting in the ledger what was linked.
    pub record: Duration,
}
