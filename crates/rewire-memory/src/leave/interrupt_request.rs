//! What the user has asked for, and the timer that reminds of it.

use std::ffi::c_int;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

/// The signal of Ctrl-C.
pub(super) const SIGNAL: c_int = libc::SIGINT;

/// The user wants the call to end, and it hasn't yet.
pub(super) static IS_ASKED: AtomicBool = AtomicBool::new(false);
/// How often the thread has looked again.
pub(super) static LOOKS: AtomicU32 = AtomicU32::new(0);
/// The timer, and one more; 0 if there is none.
static TIMER: AtomicUsize = AtomicUsize::new(0);

/// A timer that sends the signal to this thread.
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

/// Safe in a signal handler.
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

/// The call has ended, as the user wanted.
pub(super) fn clear() {
    IS_ASKED.store(false, Ordering::Relaxed);
    set_timer(0);
}
