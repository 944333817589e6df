//! What observers are told about tiers.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// A decision about how a function is compiled, at [`OptLevel::Auto`](crate::OptLevel::Auto).
#[derive(Clone, Debug)]
pub struct TierDecision {
    /// The function's name; `(unnamed)` if it has none.
    pub function: Arc<str>,
    /// What was decided or done, and why.
    pub step: TierStep,
    /// When.
    pub at: Instant,
}

/// What was decided about a function, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TierStep {
    /// It will be compiled again, because it was called so often.
    Hot {
        /// The number of calls.
        calls: u32,
    },
    /// It will be compiled again, because its loops were passed so often in many calls.
    HotInLoops {
        /// The number of calls.
        calls: u32,
        /// The number of passes of one loop's head.
        passes: u32,
    },
    /// What follows the head of a loop will be compiled again, because the loop runs long.
    HotLoop {
        /// Which loop, in the order of the loops' heads in the IR.
        head: u32,
        /// How often the head was passed.
        passes: u32,
    },
    /// The optimised body is in force: calls enter it, or the loop goes on in it.
    Optimised {
        /// The head of the loop at which it begins, if it does.
        head: Option<u32>,
        /// How long compiling and linking took.
        took: Duration,
    },
    /// It wasn't compiled again, because it was changed or dropped since that was decided.
    Outdated,
    /// It couldn't be compiled again; it stays as it is.
    Failed {
        /// Why.
        reason: Arc<str>,
    },
    /// A loop held a copy of a function that was replaced, and goes on in a body that calls the
    /// function.
    LeftCopy {
        /// Which loop.
        head: u32,
    },
}
