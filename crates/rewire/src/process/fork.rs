//! A program that forks while other threads compile: the child has one thread, so nothing may be
//! half done at that moment.
//!
//! Whoever works in the engine holds a gate open; `fork` waits until all have left. The engine's
//! locks are only taken by those who passed the gate, so the child finds them free.
//!
//! A thread that waits for others steps out of the gate meanwhile ([`outside`]): for another thread
//! that compiles, for a closure of the client's, for the C library's loader. Whom it waits for may
//! be outside as well, and come back only after the fork. What such a thread has begun, its child
//! forgets.

use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};

use rewire_memory::entry::{self, StacksHeld};
use rewire_memory::global_scope;
use rewire_memory::scan::{self, ScansHeld};
use rewire_memory::unwind;
use rewire_sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::core::Core;
use crate::registry;

static GATE: RwLock<()> = RwLock::new(());

/// How many threads have begun something in the engine and are outside of the gate.
static STEPPED_OUT: AtomicUsize = AtomicUsize::new(0);

/// A pass through the gate. Where it is kept nothing is dropped when the thread ends: what runs
/// then may enter the engine too.
type Pass = ManuallyDrop<RwLockReadGuard<'static, ()>>;

thread_local! {
    /// How many times this thread has entered the engine, one within the other.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    static PASS: Cell<Option<Pass>> = const { Cell::new(None) };
    /// How many times this thread has stepped out, one within the other.
    static OUT: Cell<usize> = const { Cell::new(0) };
}

/// What a fork under way holds. Only the thread that forks touches it between the two handlers.
static HELD: AtomicPtr<Held> = AtomicPtr::new(ptr::null_mut());

/// Fields are dropped in this order.
struct Held {
    _stacks: StacksHeld,
    _scans: ScansHeld,
    gate: Option<RwLockWriteGuard<'static, ()>>,
    /// The last ones, perhaps: they go when others may enter the engine again.
    engines: Vec<Arc<Core>>,
}

/// While it stands, no thread forks.
#[derive(Debug)]
pub(crate) struct NoFork {
    _not_send: PhantomData<*const ()>,
}

/// Enters the engine: keeps others from forking until it is dropped.
pub(crate) fn hold_off() -> NoFork {
    let depth = DEPTH.get();
    if depth == 0 {
        pass();
    }
    DEPTH.set(depth + 1);
    NoFork {
        _not_send: PhantomData,
    }
}

impl Drop for NoFork {
    fn drop(&mut self) {
        let depth = DEPTH.get() - 1;
        DEPTH.set(depth);
        if depth == 0 {
            leave();
        }
    }
}

fn pass() {
    let pass = GATE.read().unwrap_or_else(PoisonError::into_inner);
    PASS.set(Some(ManuallyDrop::new(pass)));
}

fn leave() {
    drop(PASS.take().map(ManuallyDrop::into_inner));
}

/// While it stands, its thread is not in the engine: others may fork. No lock of the engine's may
/// be held.
#[derive(Debug)]
pub(crate) struct Outside {
    depth: usize,
    _not_send: PhantomData<*const ()>,
}

/// Steps out of the engine for as long as this thread waits for others.
pub(crate) fn outside() -> Outside {
    let depth = DEPTH.replace(0);
    if depth > 0 {
        STEPPED_OUT.fetch_add(1, Ordering::Relaxed);
        OUT.set(OUT.get() + 1);
        leave();
    }
    Outside {
        depth,
        _not_send: PhantomData,
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        if self.depth > 0 {
            pass();
            OUT.set(OUT.get() - 1);
            STEPPED_OUT.fetch_sub(1, Ordering::Relaxed);
        }
        DEPTH.set(self.depth);
    }
}

/// Enters the engine when it is dropped, for what is dropped after it: see [`LeaveWhenDropped`].
#[derive(Debug)]
pub(crate) struct EnterWhenDropped;

/// Leaves the engine that an [`EnterWhenDropped`] entered.
#[derive(Debug)]
pub(crate) struct LeaveWhenDropped;

impl Drop for EnterWhenDropped {
    fn drop(&mut self) {
        std::mem::forget(hold_off());
    }
}

impl Drop for LeaveWhenDropped {
    fn drop(&mut self) {
        drop(NoFork {
            _not_send: PhantomData,
        });
    }
}

/// Has the C library call us around each fork.
///
/// Handlers that are registered later run before ours before a fork, and after ours after it; they
/// may call compiled code. So ours are registered when the program starts, before anyone else's but
/// those of libraries' constructors.
#[used]
#[unsafe(link_section = ".init_array")]
static REGISTER: extern "C" fn() = {
    extern "C" fn register() {
        // SAFETY: the handlers are functions that live as long as the process.
        unsafe { libc::pthread_atfork(Some(before), Some(after), Some(after_in_child)) };
    }
    register
};

extern "C" fn before() {
    // A fork from within the engine (in an indirect function's resolver) can't wait for itself.
    let gate = (DEPTH.get() == 0).then(|| GATE.write().unwrap_or_else(PoisonError::into_inner));
    let held = Held {
        _stacks: entry::hold_for_fork(),
        _scans: scan::hold_for_fork(),
        gate,
        engines: registry::engines(),
    };
    for engine in &held.engines {
        engine.memory.leave_to_child();
    }
    HELD.store(Box::into_raw(Box::new(held)), Ordering::Release);
}

extern "C" fn after_in_child() {
    unwind::forget_readers_in_child();
    global_scope::forked();
    let held = HELD.swap(ptr::null_mut(), Ordering::Acquire);
    if held.is_null() {
        return;
    }
    // SAFETY: `before` made it, and the swap made it ours alone.
    let held = unsafe { Box::from_raw(held) };
    let others_have_begun = held.gate.is_some() && STEPPED_OUT.load(Ordering::Relaxed) > OUT.get();
    STEPPED_OUT.store(OUT.get(), Ordering::Relaxed);
    for engine in &held.engines {
        engine.forget_workers();
        engine.ledger().open_gates_of_others(&engine.slots);
        if others_have_begun {
            engine.forget_other_threads();
        }
    }
}

extern "C" fn after() {
    let held = HELD.swap(ptr::null_mut(), Ordering::Acquire);
    if !held.is_null() {
        // SAFETY: `before` made it, and the swap made it ours alone.
        drop(unsafe { Box::from_raw(held) });
    }
}
