//! Which signals may arrive on a thread.
//!
//! - [`SignalsBlocked`] lets none through, for a few instructions.
//! - [`SignalsDeferred`] has the program's signals wait while the engine works on one of the
//!   program's threads, and [`FaultSignalsUnblocked`] lets those of the engine's own faults
//!   through meanwhile.
//! - [`ThreadStartMask`] sets the mask with which the engine's threads start.
//! - [`SignalMask`] is a thread's mask as a value.

mod blocked;
mod deferred;
mod mask;
pub(crate) mod sigaction;

pub use blocked::SignalsBlocked;
pub use deferred::{FaultSignalsUnblocked, SignalsDeferred, ThreadStartMask};
pub(crate) use deferred::{begin, end, fault_signals, unblock_fault_signals};
pub use mask::SignalMask;
pub(crate) use mask::set_mask;
