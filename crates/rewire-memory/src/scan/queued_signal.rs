//! A signal that carries a value: how it is sent, and how its handler tells it from others.

use std::ffi::{c_int, c_void};
use std::ptr;

use crate::signals::sigaction::{__sigaction, default_action};

/// How the kernel shows a signal that a program queued (sigaction(2)).
const SI_QUEUE: c_int = -1;

/// Marks the values of our signals, in the highest 16 bits.
const MARK: u64 = 0x5ca2;

/// Sends the signal to a thread, with a value by which the handler finds what to answer. False
/// when it can't be sent: the thread has ended, or too many signals are queued.
pub(super) fn send(signal: c_int, tid: i32, value: u64) -> bool {
    /// `siginfo_t` of a queued signal.
    #[repr(C)]
    struct Queued {
        signal: c_int,
        errno: c_int,
        code: c_int,
        padding: c_int,
        pid: c_int,
        uid: u32,
        value: u64,
        rest: [u64; 12],
    }
    const _: () = assert!(size_of::<Queued>() == size_of::<libc::siginfo_t>());
    // SAFETY: the structure is what the kernel expects (rt_tgsigqueueinfo(2)).
    unsafe {
        let pid = libc::getpid();
        let info = Queued {
            signal,
            errno: 0,
            code: SI_QUEUE,
            padding: 0,
            pid,
            uid: libc::getuid(),
            value: MARK << 48 | value,
            rest: [0; 12],
        };
        let place: *const c_void = (&raw const info).cast();
        libc::syscall(libc::SYS_rt_tgsigqueueinfo, pid, tid, signal, place) == 0
    }
}

/// The value that came with a signal of ours; `None` for one of somebody else's. Safe in a signal
/// handler.
pub(super) fn value_of(info: &libc::siginfo_t) -> Option<u64> {
    // SAFETY: a queued signal has a sender and a value, and a signal of no other kind is asked
    // for them.
    unsafe {
        if info.si_code != SI_QUEUE || info.si_pid() != libc::getpid() {
            return None;
        }
        let value = info.si_value().sival_ptr as u64;
        (value >> 48 == MARK).then_some(value & ((1 << 48) - 1))
    }
}

/// Does with a signal of somebody else's what happens to one that has no handler. Safe in a
/// signal handler.
pub(super) fn as_by_default(signal: c_int) {
    let default = default_action();
    // SAFETY: the signal is blocked until the handler returns, and ends the process then.
    unsafe {
        __sigaction(signal, &raw const default, ptr::null_mut());
        libc::raise(signal);
    }
}
