//! What the engine did, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::core::Core;
use crate::recording;

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

const PHASES: usize = 8;

/// Time spent in each phase, summed over threads.
#[derive(Debug, Default)]
pub(crate) struct Timings {
    nanoseconds: [AtomicU64; PHASES],
    /// Whether somebody wants to know of each step.
    is_observed: bool,
}

impl Timings {
    pub(crate) fn new(is_observed: bool) -> Self {
        Self {
            is_observed,
            ..Self::default()
        }
    }

    pub(crate) fn start(&self, phase: Phase) -> Timer<'_> {
        Timer {
            timings: self,
            phase,
            since: Instant::now(),
        }
    }

    pub(crate) fn add(&self, phase: Phase, time: Duration) {
        self.nanoseconds[phase as usize].fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }

    fn get(&self, phase: Phase) -> Duration {
        Duration::from_nanos(self.nanoseconds[phase as usize].load(Ordering::Relaxed))
    }
}

/// Measures until it is stopped; a step that fails counts nowhere.
#[derive(Debug)]
pub(crate) struct Timer<'t> {
    timings: &'t Timings,
    phase: Phase,
    since: Instant,
}

impl Timer<'_> {
    pub(crate) fn stop(self) {
        self.stop_at(Instant::now());
    }

    /// Ends this step and begins the next one, at the same moment.
    pub(crate) fn then(self, phase: Phase) -> Self {
        let (timings, since) = (self.timings, Instant::now());
        self.stop_at(since);
        Self {
            timings,
            phase,
            since,
        }
    }

    fn stop_at(self, end: Instant) {
        let time = end.saturating_duration_since(self.since);
        self.timings.add(self.phase, time);
        if self.timings.is_observed {
            recording::phase(self.phase, self.since, time);
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

impl Report {
    pub(crate) fn of(core: &Core) -> Self {
        let ledger = core.ledger();
        let usage = core.memory.usage();
        let counts = ledger.counts;
        let time = |phase| core.timings.get(phase);
        Self {
            functions_defined: ledger.functions_defined(),
            functions_called: counts.functions_called + core.slots.found_ready(),
            functions_compiled: counts.functions_compiled,
            compiled_ahead: counts.compiled_ahead,
            functions_replaced: counts.functions_replaced,
            definitions_retired: counts.definitions_retired,
            definitions_freed: counts.definitions_freed,
            definitions_beside: ledger.definitions_beside(),
            suspended_coroutines: ledger.suspended_coroutines(&core.memory),
            tombstones: ledger.tombs() as u64,
            bytes_kept: counts.bytes_kept,
            relocations_applied: counts.relocations_applied,
            code_bytes: usage.code,
            data_bytes: usage.data,
            memory_maps: core.memory.count_maps().map_or(0, |maps| maps.all as u64),
            unwind_entries: core.unwind.len() as u64,
            level: core.level.digit(),
            load: time(Phase::Load),
            index: time(Phase::Index),
            extract: time(Phase::Extract),
            optimise: time(Phase::Optimise),
            codegen: time(Phase::Codegen),
            link: time(Phase::Link),
            publish: time(Phase::Publish),
            record: time(Phase::Record),
        }
    }
}
