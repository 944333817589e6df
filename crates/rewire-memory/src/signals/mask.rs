//! A thread's signal mask, as the kernel has it.

use std::ffi::{c_int, c_void};
use std::ptr;

/// A set of signals as the kernel has it: a bit for each, from 1.
pub(super) type SignalSet = u64;

/// Every signal, those that the C library keeps for itself included.
pub(super) const ALL: SignalSet = !0;

/// All but those that the C library keeps for itself: it has to reach every thread when one of them
/// changes the process's user, for example (nptl(7)).
pub(super) const ALL_OF_PROGRAM: SignalSet = !(1 << (32 - 1) | 1 << (33 - 1));

pub(super) const fn bit(signal: c_int) -> SignalSet {
    1 << (signal - 1)
}

/// Sets the calling thread's mask; returns the former one. Safe in a signal handler.
pub(crate) fn set_mask(mask: SignalSet) -> SignalSet {
    let mut former: SignalSet = 0;
    // SAFETY: changes this thread's own mask; the sets are as large as the kernel is told. The
    // kernel is asked directly: the C library would leave its own signals unblocked.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const mask,
            (&raw mut former).cast::<c_void>(),
            size_of::<SignalSet>(),
        )
    };
    former
}

/// Which signals a thread blocks.
#[derive(Clone, Copy, Debug)]
pub struct SignalMask(SignalSet);

impl SignalMask {
    /// The calling thread's mask.
    #[must_use]
    pub fn current() -> Self {
        let mut mask: SignalSet = 0;
        // SAFETY: the call fills in the set.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigprocmask,
                libc::SIG_BLOCK,
                ptr::null::<SignalSet>(),
                &raw mut mask,
                size_of::<SignalSet>(),
            )
        };
        Self(mask)
    }

    /// A bit for each signal, from 1.
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// Makes it the calling thread's mask.
    pub fn set(self) {
        set_mask(self.0);
    }
}
