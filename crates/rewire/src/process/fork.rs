//! A program that forks while other threads compile: the child has one thread, so nothing may be
//! half done at that moment.
//!
//! Whoever works in the engine holds a gate open; `fork` waits until all have left. The engine's
//! locks are only taken by those who passed the gate, so the child finds them free.

use std::cell::Cell;
use std::ptr;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicPtr, Ordering};

use rewire_memory::entry::{self, StacksHeld};
use rewire_memory::scan::{self, ScansHeld};
use rewire_memory::unwind;
use rewire_sync::{Once, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::first_call;

static GATE: RwLock<()> = RwLock::new(());

thread_local! {
    /// How many times this thread has entered the engine, one within the other.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// What a fork under way holds. Only the thread that forks touches it between the two handlers.
static HELD: AtomicPtr<Held> = AtomicPtr::new(ptr::null_mut());

struct Held {
    _gate: Option<RwLockWriteGuard<'static, ()>>,
    _stacks: StacksHeld,
    _scans: ScansHeld,
}

/// While it stands, no thread forks.
pub(crate) struct NoFork {
    _gate: Option<RwLockReadGuard<'static, ()>>,
}

/// Enters the engine: keeps others from forking until it is dropped.
pub(crate) fn hold_off() -> NoFork {
    let depth = DEPTH.get();
    DEPTH.set(depth + 1);
    let gate = (depth == 0).then(|| GATE.read().unwrap_or_else(PoisonError::into_inner));
    NoFork { _gate: gate }
}

impl Drop for NoFork {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// Has the C library call us around each fork, from now on.
pub(crate) fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handlers are functions that live as long as the process.
        unsafe { libc::pthread_atfork(Some(before), Some(after), Some(after_in_child)) };
    });
}

extern "C" fn before() {
    // A fork from within the engine (in an indirect function's resolver) can't wait for itself.
    let gate = (DEPTH.get() == 0).then(|| GATE.write().unwrap_or_else(PoisonError::into_inner));
    let held = Held {
        _gate: gate,
        _stacks: entry::hold_for_fork(),
        _scans: scan::hold_for_fork(),
    };
    for engine in first_call::engines() {
        engine.memory.leave_to_child();
    }
    HELD.store(Box::into_raw(Box::new(held)), Ordering::Release);
}

extern "C" fn after_in_child() {
    after();
    unwind::forget_readers_in_child();
    for engine in first_call::engines() {
        engine.workers.forget_threads();
    }
}

extern "C" fn after() {
    let held = HELD.swap(ptr::null_mut(), Ordering::Acquire);
    if !held.is_null() {
        // SAFETY: `before` made it, and the swap made it ours alone.
        drop(unsafe { Box::from_raw(held) });
    }
}
