//! [`InlineBudget`]: how much is brought into an extracted module to be inlined.

use crate::level::Level;

/// How many bodies may be brought into an extracted module so that LLVM can inline them, besides
/// those that must be inlined. LLVM's costs then decide which are.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct InlineBudget {
    /// How many calls away from the extracted functions a body may be. With 0, none is brought.
    pub depth: u32,
    /// The maximum number of instructions of a body that an extracted function calls. It is halved
    /// with each further call.
    pub instructions: usize,
    /// The maximum number of instructions of all brought bodies together.
    pub total: usize,
}

impl InlineBudget {
    /// No bodies but those that must be inlined.
    pub const NONE: Self = Self {
        depth: 0,
        instructions: 0,
        total: 0,
    };

    /// The budget that suits a level: none at levels 0 and 1.
    #[must_use]
    pub const fn of(level: Level) -> Self {
        match level {
            Level::O0 | Level::O1 => Self::NONE,
            Level::O2 | Level::O3 => Self {
                depth: 3,
                instructions: 200,
                total: 5000,
            },
        }
    }

    /// Whether nothing is brought.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.depth == 0
    }
}
