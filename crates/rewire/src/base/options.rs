//! [`Options`]: what a client chooses when it creates an engine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rewire_cache::Cache;
pub use rewire_llvm::{Cpu, InlineBudget, KnownCpus, Level, Passes};
pub use rewire_memory::CodeMapping;

use super::events::CompileObserver;
use super::link_observer::LinkObserver;
use super::transform::Transform;

/// The optimisation level of LLVM's IR passes and code generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OptLevel {
    /// Tiers: a function is compiled quickly when it is first called, and again at full
    /// optimisation if it is hot.
    #[default]
    Auto,
    /// The same level for all functions, IR passes included.
    Fixed(Level),
}

/// When code that was compiled quickly counts as hot, at [`OptLevel::Auto`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HotThresholds {
    /// The number of calls of a function.
    pub calls: u32,
    /// The number of passes of a loop's head, in all calls of the function together.
    pub loop_passes: u32,
    /// How much processor time the process has to have used before anything is compiled again, if
    /// there are no compile threads: the program waits meanwhile, which pays only if it runs long.
    pub delay: Duration,
}

impl Default for HotThresholds {
    /// 2,000 calls or 20,000 passes: compiling a function again costs about as much as so many
    /// gain, and few functions of a program get there. A delay of half a second.
    fn default() -> Self {
        Self {
            calls: 2_000,
            loop_passes: 20_000,
            delay: Duration::from_millis(500),
        }
    }
}

/// The options of an engine. [`Options::default`] suits most programs; every field may be set.
#[derive(Clone, Default)]
pub struct Options {
    /// The optimisation level at which functions are compiled.
    pub level: OptLevel,
    /// When a function is compiled again, at [`OptLevel::Auto`].
    pub hot: HotThresholds,
    /// The processor that code is generated for: any x86-64 by default. Functions whose IR names a
    /// processor or features keep to these; compilers of C name them in each function.
    ///
    /// ```
    /// use rewire::{Engine, Options};
    ///
    /// let engine = Engine::new(Options {
    ///     cpu: "host".parse()?,
    ///     ..Options::default()
    /// })?;
    /// # Ok::<(), rewire::Error>(())
    /// ```
    pub cpu: Cpu,
    /// The IR passes that run at a level, instead of LLVM's for that level. Bodies that have to be
    /// inlined are inlined before. [`OptLevel::Auto`] compiles at [`Level::O0`], and hot functions
    /// again at [`Level::O2`]. Code generation stays the level's.
    ///
    /// ```
    /// use rewire::{Engine, Level, Options, Passes};
    ///
    /// let passes = Passes::new("function(sroa,early-cse,simplifycfg)")?;
    /// let engine = Engine::new(Options {
    ///     passes: [(Level::O0, passes)].into(),
    ///     ..Options::default()
    /// })?;
    /// assert!(Passes::new("sroa,no-such-pass").is_err());
    /// # Ok::<(), rewire::Error>(())
    /// ```
    pub passes: BTreeMap<Level, Passes>,
    /// How many bodies of called functions are at hand for inlining when a function is optimised;
    /// LLVM's costs decide which of them are inlined. `None`, the default, stands for what suits
    /// the level: [`InlineBudget::of`]. [`InlineBudget::NONE`] leaves only what must be inlined.
    pub inline_budget: Option<InlineBudget>,
    /// What is done to the IR of functions before the passes.
    pub transform: Option<Transform>,
    /// A seed: functions are then compiled at random levels, at random moments, replaced by
    /// themselves, and dropped and compiled anew, while the program runs. Its results must not
    /// change. For tests, of the engine and of code that relies on it, at [`OptLevel::Auto`].
    pub stress: Option<u64>,
    /// The maximum number of compile threads, besides the program's own threads. While the program
    /// runs, they compile functions that are certain to be called soon; when everything is compiled
    /// at once ([`Engine::compile_all`](crate::Engine::compile_all)), as many share the work. With
    /// 0, the default, there are none: each function is compiled by the thread that first needs it,
    /// and everything at once by the calling thread alone. Compile threads also compile hot
    /// functions again; without any, the thread that finds a function to be hot does so at once.
    pub threads: usize,
    /// The number of changes that can be undone, the latest first
    /// ([`Engine::undo`](crate::Engine::undo)). The engine keeps the former definitions for as
    /// long; with 0, the default, it keeps none. If the kept definitions exceed 64 MiB together,
    /// fewer changes can be undone.
    pub undo_depth: usize,
    /// How code memory is mapped. Use [`CodeMapping::Anonymous`] if `perf` is to find names of
    /// compiled code in a map file of the process (`/tmp/perf-PID.map`).
    pub code_mapping: CodeMapping,
    /// Whether a crash of LLVM while it compiles a function ends the process with a message and
    /// exit code 70 rather than by a signal. This installs handlers for fault signals that stay
    /// until the process ends, so it suits programs rather than libraries. Other code in the
    /// process that handles fault signals has to install its handlers through
    /// [`sigaction`](crate::sigaction), which behaves as the C library's does.
    pub guard_crashes: bool,
    /// Where compiled code is looked for before it is compiled, and kept afterwards. With `None`,
    /// the default, everything is compiled. What is compiled is written in batches; the rest is
    /// written when the last handle of the engine is dropped, or by
    /// [`Engine::write_cache`](crate::Engine::write_cache).
    ///
    /// ```
    /// use std::sync::Arc;
    /// use rewire::cache::{Cache, MemoryStore};
    /// use rewire::{Engine, Options};
    ///
    /// // Compiled code that several engines of this process share.
    /// let cache = Arc::new(Cache::new(Arc::new(MemoryStore::default())));
    /// for _ in 0..2 {
    ///     let engine = Engine::new(Options {
    ///         cache: Some(cache.clone()),
    ///         ..Options::default()
    ///     })?;
    ///     engine.add_ir("unit", b"define i32 @one() {\n  ret i32 1\n}")?;
    ///     engine.compile_all()?;
    /// }
    /// assert_eq!((cache.counts().hits, cache.counts().misses), (1, 1));
    /// # Ok::<(), rewire::Error>(())
    /// ```
    pub cache: Option<Arc<Cache>>,
    /// Keeps entries of the cache apart: an engine finds only what an engine with the same salt has
    /// compiled.
    pub cache_salt: String,
    /// An observer of everything that is linked; for tests of the linker. It shouldn't own a handle
    /// of the engine: see [`Resolver`](crate::Resolver).
    pub observer: Option<Arc<dyn LinkObserver>>,
    /// An observer that is told what is loaded and compiled, when and why. It shouldn't own a
    /// handle of the engine either.
    pub compile_observer: Option<Arc<dyn CompileObserver>>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("level", &self.level)
            .field("hot", &self.hot)
            .field("stress", &self.stress)
            .field("cpu", &self.cpu)
            .field("passes", &self.passes)
            .field("inline_budget", &self.inline_budget)
            .field("transform", &self.transform)
            .field("threads", &self.threads)
            .field("undo_depth", &self.undo_depth)
            .field("code_mapping", &self.code_mapping)
            .field("guard_crashes", &self.guard_crashes)
            .field("cache", &self.cache)
            .field("cache_salt", &self.cache_salt)
            .field("observer", &self.observer.is_some())
            .field("compile_observer", &self.compile_observer.is_some())
            .finish()
    }
}
