//! [`Options`]: what a client chooses when it creates an engine.

use std::sync::Arc;

pub use rewire_llvm::Level;
pub use rewire_memory::CodeMapping;

use super::events::CompileObserver;
use super::link_observer::LinkObserver;

/// The optimisation level of LLVM's IR passes and code generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OptLevel {
    /// The engine chooses. At present it chooses level 0, which starts programs soonest.
    #[default]
    Auto,
    /// The same level for all functions, IR passes included.
    Fixed(Level),
}

impl OptLevel {
    pub(crate) fn level(self) -> Level {
        match self {
            Self::Auto => Level::O0,
            Self::Fixed(level) => level,
        }
    }
}

/// The options of an engine. [`Options::default`] suits most programs; every field may be set.
#[derive(Clone, Default)]
pub struct Options {
    /// The optimisation level at which functions are compiled.
    pub level: OptLevel,
    /// The maximum number of compile threads, besides the program's own threads. While the program
    /// runs, they compile functions that are certain to be called soon; when everything is compiled
    /// at once ([`Engine::compile_all`](crate::Engine::compile_all)), as many share the work. With
    /// 0, the default, there are none: each function is compiled by the thread that first needs it,
    /// and everything at once by the calling thread alone.
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
            .field("threads", &self.threads)
            .field("undo_depth", &self.undo_depth)
            .field("code_mapping", &self.code_mapping)
            .field("guard_crashes", &self.guard_crashes)
            .field("observer", &self.observer.is_some())
            .field("compile_observer", &self.compile_observer.is_some())
            .finish()
    }
}
