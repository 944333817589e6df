//! A Ctrl-C that hasn't taken effect yet, and the timer that has the thread look again.

use std::ffi::c_int;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

/// The signal of Ctrl-C.
pub(super) const SIGNAL: c_int = libc::SIGINT;

/// The user has pressed Ctrl-C, and the call hasn't ended yet.
pub(super) static IS_ASKED: AtomicBool = AtomicBool::new(false);
/// How often the thread has looked again.
pub(super) static LOOKS: AtomicU32 = AtomicU32::new(0);
/// The timer's number plus one; 0 if there is no timer.
static TIMER: AtomicUsize = AtomicUsize::new(0);

/// Makes the timer, which sends the signal to this thread.
pub(super) fn make_timer() {
    if TIMER.load(Ordering::Relaxed) != 0 {
        return;
    }
    // SAFETY: zeroed bytes are a valid event, and the timer is written if there is one.
    unsafe {
        let mut event: libc::sigevent = mem::zeroed();
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = SIGNAL;
        event.sigev_notify_thread_id = libc::gettid();
        let mut timer: libc::timer_t = ptr::null_mut();
        if libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) == 0 {
            TIMER.store(timer as usize + 1, Ordering::Relaxed);
        }
    }
}

/// Has the timer send the signal each `period` nanoseconds, or not at all if that is 0. Safe in a
/// signal handler.
pub(super) fn set_timer(period: i64) {
    let Some(timer) = TIMER.load(Ordering::Relaxed).checked_sub(1) else {
        return;
    };
    let time = libc::timespec {
        tv_sec: 0,
        tv_nsec: period,
    };
    let setting = libc::itimerspec {
        it_interval: time,
        it_value: time,
    };
    // SAFETY: the timer exists as long as the process.
    unsafe {
        libc::timer_settime(
            timer as libc::timer_t,
            0,
            &raw const setting,
            ptr::null_mut(),
        )
    };
}

/// Forgets the request: the call has ended.
pub(super) fn clear() {
    IS_ASKED.store(false, Ordering::Relaxed);
    set_timer(0);
}
