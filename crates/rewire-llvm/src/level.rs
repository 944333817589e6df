//! Levels of optimisation.

/// How much work goes into code: LLVM's levels, IR passes included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// No IR passes, the fast instruction selector.
    O0,
    /// Cheap passes.
    O1,
    /// The usual ones.
    O2,
    /// All.
    O3,
}

impl Level {
    /// `0` to `3`.
    #[must_use]
    pub const fn digit(self) -> char {
        match self {
            Self::O0 => '0',
            Self::O1 => '1',
            Self::O2 => '2',
            Self::O3 => '3',
        }
    }
}
