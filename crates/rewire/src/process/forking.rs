//! Handles forks: no thread is in the engine during a fork, and the child finds everything
//! consistent and forgets the other threads.

use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

use rewire_memory::entry::{self, StacksHeld};
use rewire_memory::global_scope;
use rewire_memory::scan::{self, ScansHeld};
use rewire_memory::unwind;

use crate::core::Core;
use crate::core::registry;
use crate::host::fork_lock;

/// What a fork under way holds. Only the forking thread touches it between the handlers.
static HELD: AtomicPtr<HeldAcrossFork> = AtomicPtr::new(ptr::null_mut());

/// Fields are dropped in this order.
struct HeldAcrossFork {
    _stacks: StacksHeld,
    _scans: ScansHeld,
    lock: Option<fork_lock::ForkingAlone>,
    /// These may be the last references to the engines; they are dropped after other threads may
    /// enter the engine again.
    engines: Vec<Arc<Core>>,
}

/// Makes the C library call the handlers below around each fork.
///
/// Handlers that are registered later run before these before a fork, and after these after it, and
/// they may call compiled code. So these are registered when the program starts, before all others
/// but those of libraries' constructors.
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
    let lock = fork_lock::alone();
    let held = HeldAcrossFork {
        _stacks: entry::hold_for_fork(),
        _scans: scan::hold_for_fork(),
        lock,
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
    // SAFETY: `before` made it, and the swap gave this call sole ownership.
    let held = unsafe { Box::from_raw(held) };
    let others_have_begun = fork_lock::forget_others_in_child(held.lock.as_ref());
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
        // SAFETY: `before` made it, and the swap gave this call sole ownership.
        drop(unsafe { Box::from_raw(held) });
    }
}
