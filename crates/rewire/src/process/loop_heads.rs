//! What compiled code calls when the check at the head of a loop has struck
//! (`shim/continuations.cpp`): a quick body, because the loop is hot; an optimised one, because it
//! holds a copy of a function that was replaced.

use std::arch::naked_asm;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicI32;

use rewire_memory::signals::SignalsDeferred;
use rewire_memory::{ExecAddr, entry};

use crate::core::registry;
use crate::host::fork_lock;

/// `__rewire_loop(head, word)` for compiled code. Returns the address of the continuation in which
/// the loop goes on, or null if it goes on where it is.
#[unsafe(naked)]
pub(super) extern "C" fn at_loop_head() {
    // psABI, section 3.2.2: on entry, the return address is on top of the stack. Section 3.2.3: the
    // third argument is in rdx.
    naked_asm!("mov rdx, [rsp]", "jmp {}", sym at_loop_head_from)
}

/// A check that has struck.
struct Strike {
    head: u32,
    /// The word that the check reads.
    word: *const AtomicI32,
    /// In the body that asks.
    returns_to: ExecAddr,
    continuation: u64,
}

extern "C" fn at_loop_head_from(head: u32, word: *const AtomicI32, returns_to: u64) -> u64 {
    let mut strike = Strike {
        head,
        word,
        returns_to: ExecAddr::new(returns_to),
        continuation: 0,
    };
    // SAFETY: `find_uncancelled` takes a pointer to a strike.
    unsafe { entry::uncancelled((&raw mut strike).cast(), find_uncancelled) };
    strike.continuation
}

extern "C" fn find_uncancelled(strike: *mut c_void) {
    // SAFETY: `at_loop_head_from` passes a pointer to a strike.
    let strike = unsafe { &mut *strike.cast::<Strike>() };
    // SAFETY: `errno` is the thread's own.
    let errno = unsafe { *libc::__errno_location() };
    let quiet = SignalsDeferred::begin();
    let no_fork = fork_lock::enter_engine();
    if let Some(core) = registry::engine_with_code(strike.returns_to) {
        // SAFETY: compiled code passes a word of its own block, which stays while the code runs.
        let word = unsafe { &*strike.word };
        // Done on a stack of the engine's, because the caller's may be small.
        entry::on_engine_stack(|| {
            let find = || core.continue_loop(strike.returns_to, strike.head, word);
            let found = catch_unwind(AssertUnwindSafe(find)).ok().flatten();
            strike.continuation = found.map_or(0, |start| start.addr().get());
        });
    }
    drop(no_fork);
    drop(quiet);
    // SAFETY: as above. Compiled code doesn't expect a loop to change it.
    unsafe { *libc::__errno_location() = errno };
}
