//! Blocks all signals for a few instructions.

use std::marker::PhantomData;

use super::mask::{ALL, set_mask};

/// While it lives, no signal arrives on this thread, and a cancellation waits: the C library's own
/// signals are blocked too, for they unwind a thread that is being cancelled. Safe in a signal
/// handler.
#[derive(Debug)]
pub struct SignalsBlocked {
    before: u64,
    _not_send: PhantomData<*const ()>,
}

impl SignalsBlocked {
    /// Blocks all signals.
    #[must_use]
    pub fn block() -> Self {
        Self {
            before: set_mask(ALL),
            _not_send: PhantomData,
        }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        set_mask(self.before);
    }
}
