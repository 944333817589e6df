//! The C library's `sigaction`, past the one that a program may export.

use std::ffi::c_int;
use std::{mem, ptr};

unsafe extern "C" {
    /// The C library's `sigaction` under its other name: a program may export a `sigaction` of its
    /// own that leads to [`fault::sigaction`](crate::fault::sigaction).
    pub(crate) fn __sigaction(
        signal: c_int,
        action: *const libc::sigaction,
        former: *mut libc::sigaction,
    ) -> c_int;
}

/// The default action, without flags or mask.
pub(crate) const fn default_action() -> libc::sigaction {
    // SAFETY: zeroed bytes are a valid `sigaction`.
    unsafe { mem::zeroed() }
}

/// A mask with every signal in it, those that the C library keeps for itself included.
pub(crate) fn full_mask() -> libc::sigset_t {
    let mut all = mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: every bit pattern is a valid set.
    unsafe {
        all.as_mut_ptr()
            .cast::<u8>()
            .write_bytes(0xff, size_of::<libc::sigset_t>());
        all.assume_init()
    }
}

/// What the kernel does with a signal; `None` if there is no such signal.
pub(crate) fn current(signal: c_int) -> Option<libc::sigaction> {
    let mut now = default_action();
    // SAFETY: the call fills in plain data.
    (unsafe { __sigaction(signal, ptr::null(), &raw mut now) } == 0).then_some(now)
}
