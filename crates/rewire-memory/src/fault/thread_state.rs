//! What is known of each thread when one of the signals arrives.

use std::cell::Cell;
use std::ptr;

/// What a thread says when it crashes.
pub(super) struct Crash {
    pub(super) message: String,
    pub(super) code: i32,
}

thread_local! {
    pub(super) static CRASH: Cell<*const Crash> = const { Cell::new(ptr::null()) };
    /// How many times the engine has begun to work here, one within the other.
    pub(super) static WORKING: Cell<usize> = const { Cell::new(0) };
    pub(super) static IS_OURS: Cell<bool> = const { Cell::new(false) };
}

/// The engine's work on a thread of the program's. Signals of these numbers that somebody sends
/// there wait until the thread's mask is set again: they are blocked before the work begins, and
/// the mask of before is set after it has ended.
pub(crate) struct EngineWork;

impl EngineWork {
    pub(crate) fn enter() {
        WORKING.set(WORKING.get() + 1);
    }

    pub(crate) fn leave() {
        WORKING.set(WORKING.get() - 1);
    }
}

/// Notes that the calling thread is the engine's own: the signals that it blocks weren't chosen by
/// the program.
pub fn own_this_thread() {
    IS_OURS.set(true);
}
