//! [`Report`]: counts and times of what an engine has done.

use std::time::Duration;

/// A step on the way from IR to running code. Phases don't overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Reading a file.
    Load,
    /// Reading a module and entering its names into the ledger.
    Index,
    /// Extracting functions from their module.
    Extract,
    /// LLVM's IR passes.
    Optimise,
    /// LLVM's code generation.
    Codegen,
    /// Parsing objects, layout, fix-up and copying.
    Link,
    /// Registering unwind tables, and storing to slots: making definitions visible.
    Publish,
    /// Recording in the ledger what was linked, where it lies and what it uses.
    Record,
    /// Looking for compiled code in the cache.
    Find,
}

impl Phase {
    /// Returns the phase's name, as reports print it.
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
            Self::Find => "find",
        }
    }
}

/// What an engine has done so far. The durations add up over all threads, so together they may
/// exceed the time that has passed; steps that failed aren't counted.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Functions with a body that were loaded.
    pub functions_defined: u64,
    /// Functions that were called at least once through their first-call entry.
    pub functions_called: u64,
    /// Function bodies that were compiled and linked.
    pub functions_compiled: u64,
    /// Function bodies that were restored from an image in the cache.
    pub functions_restored: u64,
    /// Of the compiled bodies, those that were compiled before they were called, because they were
    /// certain to be called.
    pub compiled_ahead: u64,
    /// Functions that were compiled again at full optimisation, because they were hot.
    pub functions_optimised: u64,
    /// Loops of functions that were compiled again at full optimisation, for the loop to go on in
    /// while it runs.
    pub loops_optimised: u64,
    /// The number of replacements of function bodies.
    pub functions_replaced: u64,
    /// The number of bodies that were inlined: each counts once for each object that holds copies
    /// of it.
    pub bodies_inlined: u64,
    /// Bodies that are retired: no new call enters them.
    pub definitions_retired: u64,
    /// Retired bodies whose memory was freed.
    pub definitions_freed: u64,
    /// Retired bodies that were compiled together with bodies still in force. The memory of such
    /// bodies is freed together, once all of them are retired.
    pub definitions_beside: u64,
    /// Coroutines that are suspended in retired bodies. Each keeps its body in memory until the
    /// coroutine is destroyed.
    pub suspended_coroutines: u64,
    /// Removed functions whose canonical address was given out. Each keeps its stub (a tombstone).
    pub tombstones: u64,
    /// Bytes of variables and constants that belong to former bodies. They stay because a pointer
    /// to them may have been given out.
    pub bytes_kept: u64,
    /// Relocations that were applied.
    pub relocations_applied: u64,
    /// Bytes of code and stubs.
    pub code_bytes: u64,
    /// Bytes of constants, variables and slots.
    pub data_bytes: u64,
    /// Kernel mappings (VMAs) that the engine's memory takes.
    pub memory_maps: u64,
    /// Functions and stubs whose frames the unwinder knows.
    pub unwind_entries: u64,
    /// Objects that were found in the cache rather than compiled.
    pub cache_hits: u64,
    /// Objects that were looked for in the cache and not found.
    pub cache_misses: u64,
    /// The optimisation level at which functions are compiled.
    pub level: char,
    /// Time spent reading files.
    pub load: Duration,
    /// Time spent reading modules and entering their names into the ledger.
    pub index: Duration,
    /// Time spent extracting functions from their modules.
    pub extract: Duration,
    /// Time spent looking for compiled code in the cache.
    pub find: Duration,
    /// Time spent in LLVM's IR passes.
    pub optimise: Duration,
    /// Time spent in LLVM's code generation.
    pub codegen: Duration,
    /// Time spent parsing, laying out, fixing up and copying objects.
    pub link: Duration,
    /// Time spent registering unwind tables and storing to slots.
    pub publish: Duration,
    /// Time spent recording in the ledger what was linked.
    pub record: Duration,
}
