//! [`CompileObserver`] and the events that it is told: what is loaded, compiled, replaced and
//! freed, when and why.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rewire_memory::ExecAddr;

use super::ids::Generation;
use super::ids::UnitId;
use super::report::Phase;
use super::tier_events::TierDecision;

/// Is told what the engine loads, compiles, waits for, replaces and frees; passed to the engine in
/// [`Options::compile_observer`](crate::Options::compile_observer). Every method does nothing
/// unless it is overridden.
///
/// Each method is called after the event, on the thread that caused it, with no lock of the
/// engine's held, so it may call the engine. During a first call it runs, as the compilation does,
/// on a stack of the engine's with the program's signals blocked, and a `fork` by another thread
/// waits for it. A method should therefore record what it wants to know and return soon. It must
/// not panic. Without an observer, the engine records no events.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use rewire::{Compilation, CompileObserver, Engine, Options, Why};
///
/// #[derive(Default)]
/// struct Log(Mutex<Vec<String>>);
///
/// impl CompileObserver for Log {
///     fn compiled(&self, done: &Compilation) {
///         let mut log = self.0.lock().unwrap();
///         for function in &done.functions {
///             log.push(match &function.why {
///                 Why::Called { by: Some(by) } => format!("{}: called by {by}", function.name),
///                 why => format!("{}: {why}", function.name),
///             });
///         }
///     }
/// }
///
/// let log = Arc::new(Log::default());
/// let engine = Engine::new(Options {
///     compile_observer: Some(log.clone()),
///     ..Options::default()
/// })?;
/// engine.add_ir("sum.ll", b"
///     define i32 @sum(i32 %n) {
///       %leaf = icmp eq i32 %n, 0
///       br i1 %leaf, label %done, label %more
///     more:
///       %less = sub i32 %n, 1
///       %rest = call i32 @half(i32 %less)
///       ret i32 %rest
///     done:
///       ret i32 0
///     }
///     define i32 @half(i32 %n) {
///       %half = lshr i32 %n, 1
///       ret i32 %half
///     }")?;
/// let sum = engine.lookup("sum")?;
/// // SAFETY: it has this type, and the engine lives on.
/// let sum: extern "C" fn(i32) -> i32 = unsafe { std::mem::transmute(sum.get()) };
/// assert_eq!(sum(0), 0);
/// assert_eq!(log.0.lock().unwrap().len(), 1);
/// assert_eq!(sum(9), 4);
/// assert_eq!(log.0.lock().unwrap()[1], "half: called by sum");
/// # Ok::<(), rewire::Error>(())
/// ```
pub trait CompileObserver: Send + Sync {
    /// A unit was added.
    fn loaded(&self, loaded: &Loaded) {
        let _ = loaded;
    }

    /// Definitions were compiled and linked, or failed to be.
    fn compiled(&self, compilation: &Compilation) {
        let _ = compilation;
    }

    /// Something was decided about how a function is compiled, or done about it.
    fn tier_decided(&self, decision: &TierDecision) {
        let _ = decision;
    }

    /// A thread has waited for a function that another thread was compiling, and has it now.
    fn waited(&self, wait: &Wait) {
        let _ = wait;
    }

    /// A function got a new body. The observer was told of the body's compilation before.
    fn replaced(&self, replacement: &Replacement) {
        let _ = replacement;
    }

    /// A change, or the undoing of one, removed definitions. Threads may still be running their
    /// code, and their unit's destructors may still have to run.
    fn removed(&self, removal: &Removal) {
        let _ = removal;
    }

    /// The memory of replaced or removed code was freed. From now on, other code may be placed at
    /// its addresses.
    fn reclaimed(&self, given_back: &ReclaimedCode) {
        let _ = given_back;
    }
}

/// A span of time on one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSpan {
    /// The kernel's thread ID (`gettid`).
    pub thread: u32,
    /// When it began.
    pub start: Instant,
    /// How long it took.
    pub duration: Duration,
}

/// One of the steps that an event consisted of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhaseSpan {
    /// The kind of step. A kind may occur several times: data of other units that an object needs
    /// is extracted, compiled and linked along with it.
    pub phase: Phase,
    /// When it began.
    pub start: Instant,
    /// How long it took.
    pub duration: Duration,
}

/// A unit was added.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The unit's ID.
    pub id: UnitId,
    /// The unit's name: usually a path.
    pub unit: Arc<str>,
    /// The number of functions, variables and other names that the unit defines or declares.
    pub globals: usize,
    /// The thread on which it happened, when it began, and how long it took.
    pub span: TimeSpan,
    /// The steps, in order.
    pub phases: Vec<PhaseSpan>,
}

/// Definitions of one unit were compiled and linked in one step.
#[derive(Clone, Debug)]
pub struct Compilation {
    /// The unit's name.
    pub unit: Arc<str>,
    /// Why they were compiled.
    pub why: Why,
    /// The functions or variables that were asked for.
    pub asked: Vec<Arc<str>>,
    /// The functions that got bodies in memory. Empty if only data was linked, or if another thread
    /// had linked the same functions first.
    pub functions: Vec<CompiledFunction>,
    /// The number of variables of any unit that got memory in this step, including what assembly
    /// defines.
    pub variables: usize,
    /// Whether the step failed. Definitions that had been published before the failure are listed
    /// nevertheless.
    pub failed: bool,
    /// The thread on which it happened, when it began, and how long it took.
    pub span: TimeSpan,
    /// The steps, in order. Steps don't overlap; a step that failed isn't listed.
    pub phases: Vec<PhaseSpan>,
}

/// A function that was compiled.
#[derive(Clone, Debug)]
pub struct CompiledFunction {
    /// The function's name; `(unnamed)` if it has none.
    pub name: Arc<str>,
    /// Why it was compiled.
    pub why: Why,
    /// The address of its body.
    pub address: ExecAddr,
    /// The size of its code in bytes.
    pub size: u64,
}

/// Why something is compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// The function was called for the first time.
    Called {
        /// The function that the call returns to, also one of the host, if it is known. After a
        /// tail call (a jump), that is the caller of the function that jumped.
        by: Option<Arc<str>>,
    },
    /// The function was compiled together with another function: one that certainly calls it, or
    /// one with which it shares tables of labels.
    Company {
        /// The other function.
        of: Arc<str>,
    },
    /// A compile thread compiled the function because it is certain to be called soon.
    Ahead,
    /// The function was called often, so it was compiled again at full optimisation.
    Hot,
    /// A loop of the function is passed often, so what follows the loop's head was compiled again
    /// at full optimisation.
    HotLoop {
        /// Which of the function's loops, in the order of their heads in the IR.
        head: u32,
    },
    /// A loop was running code that holds a copy of a function that was replaced, so what follows
    /// the loop's head was compiled again.
    StaleLoop {
        /// As for [`Why::HotLoop`].
        head: u32,
    },
    /// Everything was to be compiled ([`Engine::compile_all`](crate::Engine::compile_all)).
    Eager,
    /// It is a new body of a function that had one.
    Replacement,
    /// A variable, or its address, is needed.
    Data,
    /// It has to be in memory before the program starts.
    Start,
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Called { by: Some(by) } => write!(f, "called by {by}"),
            Self::Called { by: None } => f.write_str("called"),
            Self::Company { of } => write!(f, "in company of {of}"),
            Self::Ahead => f.write_str("surely called soon"),
            Self::Hot => f.write_str("called often"),
            Self::HotLoop { head } => write!(f, "loop {head} is hot"),
            Self::StaleLoop { head } => {
                write!(f, "loop {head} held a copy of a replaced function")
            }
            Self::Eager => f.write_str("eager"),
            Self::Replacement => f.write_str("replacement"),
            Self::Data => f.write_str("data needed"),
            Self::Start => f.write_str("needed at the start"),
        }
    }
}

/// A thread waited for another thread.
#[derive(Clone, Debug)]
pub struct Wait {
    /// The function that the other thread was compiling or replacing.
    pub function: Arc<str>,
    /// The thread on which it happened, when it began, and how long it took.
    pub span: TimeSpan,
}

/// A function got a new body.
#[derive(Clone, Debug)]
pub struct Replacement {
    /// The function.
    pub function: Arc<str>,
    /// The generation of the new body.
    pub generation: Generation,
    /// The thread on which it happened, when it began, and how long it took, compiling included.
    pub span: TimeSpan,
}

/// A change removed definitions.
#[derive(Clone, Debug)]
pub struct Removal {
    /// The names that nothing defines any more.
    pub names: Vec<Arc<str>>,
    /// The thread that made the change, when it began, and how long it took.
    pub span: TimeSpan,
}

/// Memory of code that was freed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReclaimedCode {
    /// The function or unit that the code belonged to.
    pub name: Arc<str>,
    /// The address ranges that the code occupied.
    pub code: Vec<Range<ExecAddr>>,
}
