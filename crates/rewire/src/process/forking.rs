//! What happens around a fork: no thread is in the engine, its child finds everything whole and
//! forgets the other threads.

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

/// What a fork under way holds. Only the thread that forks touches it between the two handlers.
static HELD: AtomicPtr<HeldAcrossFork> = AtomicPtr::new(ptr::null_mut());

/// Fields are dropped in this order.
struct HeldAcrossFork {
    _stacks: StacksHeld,
    _scans: ScansHeld,
    lock: Option<fork_lock::ForkingAlone>,
    /// The last ones, perhaps: they go when others may enter the engine again.
    engines: Vec<Arc<Core>>,
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
    // SAFETY: `before` made it, and the swap made it ours alone.
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
        // SAFETY: `before` made it, and the swap made it ours alone.
        drop(unsafe { Box::from_raw(held) });
    }
}
