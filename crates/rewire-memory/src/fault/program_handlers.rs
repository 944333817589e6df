//! The program's handlers for the signals that faults raise, as they are found when a signal
//! arrives.

use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::signals::sigaction::{__sigaction, default_action};

/// The signals that a thread's own instructions raise.
pub const SIGNALS: [i32; 6] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGABRT,
    libc::SIGTRAP,
];

/// For each of [`SIGNALS`], the program's handler, and those of its flags that the kernel isn't
/// told.
pub(super) static WORDS: [AtomicU64; SIGNALS.len()] = [const { AtomicU64::new(0) }; SIGNALS.len()];

/// `SA_RESETHAND`: the kernel would take our handler away.
pub(super) const RESETS: u64 = 1 << 63;
/// `SA_SIGINFO`, which ours has in any case; handlers get the same arguments without it.
pub(super) const TAKES_INFO: u64 = 1 << 62;
/// `SA_ONSTACK`, which ours has where the program has no handler: LLVM may overflow its stack.
pub(super) const ON_STACK: u64 = 1 << 61;
/// The program has set nothing yet.
pub(super) const UNTOUCHED: u64 = 1 << 60;
pub(super) const ADDRESS: u64 = UNTOUCHED - 1;

/// The handlers that were set when somebody last called [`note_hosts`].
static HOSTS: [AtomicU64; SIGNALS.len()] = [const { AtomicU64::new(0) }; SIGNALS.len()];

/// What handlers there are now are the host's, not the program's that is about to run.
pub(super) fn note_hosts() {
    for (host, word) in HOSTS.iter().zip(&WORDS) {
        let handler = word.load(Ordering::Acquire) & ADDRESS;
        host.store(handler, Ordering::Relaxed);
    }
}

/// Whether the program has set nothing for a signal: there is no handler, or the host's. Safe in a
/// signal handler.
pub(super) fn is_hosts(signal: c_int) -> bool {
    let Some(place) = SIGNALS.iter().position(|one| *one == signal) else {
        return false;
    };
    let handler = WORDS[place].load(Ordering::Acquire) & ADDRESS;
    handler == libc::SIG_DFL as u64 || handler == HOSTS[place].load(Ordering::Relaxed)
}

/// What is to happen to a signal that has arrived.
pub(super) enum Disposition {
    Default,
    Ignored,
    /// A function of the program's is to be called.
    Handled(usize),
}

/// What the program wants of a signal that has arrived. Safe in a signal handler.
pub(super) fn of(signal: c_int) -> Disposition {
    let Some(place) = SIGNALS.iter().position(|one| *one == signal) else {
        return Disposition::Ignored;
    };
    let mut word = WORDS[place].load(Ordering::Acquire);
    loop {
        let handler = (word & ADDRESS) as usize;
        match handler {
            libc::SIG_DFL => return Disposition::Default,
            libc::SIG_IGN => return Disposition::Ignored,
            _ => {}
        }
        if word & RESETS == 0 {
            return Disposition::Handled(handler);
        }
        let reset = word & !ADDRESS;
        match WORDS[place].compare_exchange(word, reset, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return Disposition::Handled(handler),
            Err(now) => word = now,
        }
    }
}

/// Has the kernel do what it does by default. Safe in a signal handler.
pub(super) fn reset(signal: c_int) {
    let default = default_action();
    // SAFETY: plain data.
    unsafe { __sigaction(signal, &raw const default, ptr::null_mut()) };
}
