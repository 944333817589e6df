//! [`Tier`]: how much work went into a body.

use rewire_llvm::Level;

/// How much work went into a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Tier {
    /// Compiled quickly when it was first called. Its calls and loops are counted, so that it is
    /// compiled again if it is hot.
    Quick,
    /// Compiled again because it was hot.
    Optimised(Level),
    /// Compiled once, at the level that the client chose.
    Fixed(Level),
}

impl Tier {
    /// Whether a body of this tier was compiled again because it was hot.
    pub(crate) fn is_optimised(self) -> bool {
        matches!(self, Self::Optimised(_))
    }

    /// LLVM's level for bodies of this tier.
    pub(crate) fn level(self) -> Level {
        match self {
            Self::Quick => Level::O0,
            Self::Optimised(level) | Self::Fixed(level) => level,
        }
    }
}

/// Which part of a function a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyPart {
    All,
    /// What follows the head of a loop.
    FromHead(u32),
}
