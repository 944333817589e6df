//! What a client chooses when it makes an engine.

use std::sync::Arc;

pub use rewire_llvm::Level;
pub use rewire_memory::CodeMapping;

use super::events::CompileObserver;
use super::link_observer::LinkObserver;

/// How hard LLVM works on each function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OptLevel {
    /// The engine's choice. For now that is level 0: it starts soonest.
    #[default]
    Auto,
    /// One level for all, IR passes included.
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

/// The choices. [`Options::default`] suits a program; all fields can be set.
#[derive(Clone, Default)]
pub struct Options {
    /// How hard LLVM works.
    pub level: OptLevel,
    /// How many threads may compile while the program runs, besides its own. They compile what
    /// will surely be called soon, and share the work where everything is compiled.
    pub threads: usize,
    /// How many changes can be undone, the latest first ([`Engine::undo`](crate::Engine::undo)).
    /// What they took away is kept for so long; with 0, the default, nothing is. Of changes that
    /// took away more than 64 MiB together, fewer can be undone.
    pub undo_depth: usize,
    /// How code is mapped: for whoever has perf look up names of compiled code in a map of the
    /// process, [`CodeMapping::Anonymous`].
    pub code_mapping: CodeMapping,
    /// A crash of LLVM while it compiles a function ends the process with code 70 and a message,
    /// rather than by a signal. It sets signal handlers that stay, so it is for programs, not for
    /// libraries: whatever else handles the signals of faults in the process has to set that
    /// through [`sigaction`](crate::sigaction), and finds it done as if by the C library's.
    pub guard_crashes: bool,
    /// Told of everything that was linked; for checks.
    pub observer: Option<Arc<dyn LinkObserver>>,
    /// Told of what is loaded and compiled, when and why.
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
