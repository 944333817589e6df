//! For clients that want to see what the engine does: what is compiled when, and why.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rewire_memory::ExecAddr;

use super::ids::Generation;
use super::ids::UnitId;
use super::report::Phase;

/// Is told of what the engine loads, compiles, waits for and replaces; given to the engine in
/// [`Options::compile_observer`](crate::Options::compile_observer). All methods do nothing unless
/// they are overridden.
///
/// Each is called when the thing is done, by the thread that did it, with no lock of the engine's
/// held: it may ask the engine what it likes. On a first call it runs, as the compiling does, on
/// a stack of the engine's with the program's signals held back, and a `fork` of another thread
/// waits for it; so it should note what it wants to know and return soon. It must not panic.
/// Without an observer nothing is noted and nothing is paid.
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

    /// Something was compiled and linked, or failed to be.
    fn compiled(&self, compilation: &Compilation) {
        let _ = compilation;
    }

    /// A thread needed a function that another one was compiling, and has it now.
    fn waited(&self, wait: &Wait) {
        let _ = wait;
    }

    /// A function got a new body. Its compilation was told of before.
    fn replaced(&self, replacement: &Replacement) {
        let _ = replacement;
    }

    /// A change, or its undoing, took definitions away. Their code may still run.
    fn removed(&self, removal: &Removal) {
        let _ = removal;
    }

    /// Memory of code that was replaced or removed was given back: from now on its addresses may be
    /// other code's.
    fn reclaimed(&self, given_back: &ReclaimedCode) {
        let _ = given_back;
    }
}

/// A stretch of one thread's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSpan {
    /// The kernel's number of the thread (`gettid`).
    pub thread: u32,
    /// When it began.
    pub start: Instant,
    /// How long it took.
    pub duration: Duration,
}

/// One of the steps that something consisted of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhaseSpan {
    /// Which step. One may occur several times: what an object needs of other units' data is
    /// extracted, compiled and linked along with it.
    pub phase: Phase,
    /// When it began.
    pub start: Instant,
    /// How long it took.
    pub duration: Duration,
}

/// A unit was added.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Which.
    pub id: UnitId,
    /// Its name: a path mostly.
    pub unit: Arc<str>,
    /// Functions, variables and other names that it defines or declares.
    pub globals: usize,
    /// When, and how long it took.
    pub span: TimeSpan,
    /// Its steps, in order.
    pub phases: Vec<PhaseSpan>,
}

/// Definitions of one unit were compiled and linked in one go.
#[derive(Clone, Debug)]
pub struct Compilation {
    /// The unit's name.
    pub unit: Arc<str>,
    /// Why it was done.
    pub why: Why,
    /// What was asked for: functions, or variables.
    pub asked: Vec<Arc<str>>,
    /// The functions that have bodies in memory now: none if only data was linked,
    /// or if another thread's copy was there first.
    pub functions: Vec<CompiledFunction>,
    /// How many variables got memory along with them, of whatever unit; what assembly defines
    /// counts here.
    pub variables: usize,
    /// It failed. What of it had been published by then is listed all the same.
    pub failed: bool,
    /// When, and how long it took.
    pub span: TimeSpan,
    /// Its steps, in order. They don't overlap; a step that failed isn't listed.
    pub phases: Vec<PhaseSpan>,
}

/// A function that was compiled.
#[derive(Clone, Debug)]
pub struct CompiledFunction {
    /// Its name; `(unnamed)` for those without.
    pub name: Arc<str>,
    /// Why it was compiled.
    pub why: Why,
    /// Where its body is.
    pub address: ExecAddr,
    /// Bytes of code.
    pub size: u64,
}

/// Why something is compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// It was called for the first time.
    Called {
        /// The function that the call returns to, the host's included, if it is known. After a
        /// jump in place of a call that is the jumping function's own caller.
        by: Option<Arc<str>>,
    },
    /// It came along with another: one that surely calls it, or whose tables of labels it shares.
    Company {
        /// The other.
        of: Arc<str>,
    },
    /// It will surely be called soon; by a compile thread.
    Ahead,
    /// Everything was to be compiled.
    Eager,
    /// It is a new body of a function that has one.
    Replacement,
    /// A variable was asked for.
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
            Self::Eager => f.write_str("eager"),
            Self::Replacement => f.write_str("replacement"),
            Self::Data => f.write_str("data needed"),
            Self::Start => f.write_str("needed at the start"),
        }
    }
}

/// A thread waited for another one.
#[derive(Clone, Debug)]
pub struct Wait {
    /// The function that the other one was compiling, or replacing.
    pub function: Arc<str>,
    /// When, and how long it took.
    pub span: TimeSpan,
}

/// A function got a new body.
#[derive(Clone, Debug)]
pub struct Replacement {
    /// The function.
    pub function: Arc<str>,
    /// The new body's number.
    pub generation: Generation,
    /// When, and how long it took, compiling included.
    pub span: TimeSpan,
}

/// A change took definitions away.
#[derive(Clone, Debug)]
pub struct Removal {
    /// The names that nothing defines any more.
    pub names: Vec<Arc<str>>,
    /// When, and how long the change took.
    pub span: TimeSpan,
}

/// Memory of code that was given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReclaimedCode {
    /// The function, or the unit, that the code was of.
    pub name: Arc<str>,
    /// Where the code was.
    pub code: Vec<Range<ExecAddr>>,
}
