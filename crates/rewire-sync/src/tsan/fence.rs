//! The fence of `Arc`, which ThreadSanitizer doesn't know.
//!
//! The last owner of an `Arc` sees all that the others did before they dropped theirs: each
//! subtracts 1 from a count with `Release`, and who finds that it was the last executes
//! `fence(Acquire)`. ThreadSanitizer follows the subtractions and ignores the fence, so the last
//! owner's drop would be a race with everything before. (`std` has a load in place of the fence
//! when it is compiled for ThreadSanitizer, which ours isn't.)
//!
//! By the memory model (C++20, [atomics.fences]), an acquire fence acquires what was released to an
//! atomic that the thread has read before it. So the linker (`--wrap`) leads subtractions and
//! fences of instrumented code here: a subtraction notes its word, and the acquire fence behind it
//! acquires from that word. Fences of other orders are as they were: the engine's own
//! (`rewire-memory/src/readers.rs`) only decide who sees what, and order nothing.

use std::cell::Cell;
use std::ffi::c_int;
use std::ptr;

use super::runtime::acquire;

/// `__ATOMIC_ACQUIRE` and `__ATOMIC_RELEASE`, as in calls of the runtime.
const ACQUIRE: c_int = 2;
const RELEASE: c_int = 3;

thread_local! {
    /// The word that this thread subtracted from, with `Release`, since its last fence.
    static SUBTRACTED: Cell<*const ()> = const { Cell::new(ptr::null()) };
}

unsafe extern "C" {
    fn __real___tsan_atomic64_fetch_sub(word: *mut u64, less: u64, order: c_int) -> u64;
    fn __real___tsan_atomic_thread_fence(order: c_int);
}

/// # Safety
///
/// The caller must ensure that `word` may be read and written atomically.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap___tsan_atomic64_fetch_sub(
    word: *mut u64,
    less: u64,
    order: c_int,
) -> u64 {
    // A signal handler of ours, which comes in between, subtracts with another order.
    if order == RELEASE {
        SUBTRACTED.set(word.cast_const().cast());
    }
    // SAFETY: as the caller promises.
    unsafe { __real___tsan_atomic64_fetch_sub(word, less, order) }
}

#[unsafe(no_mangle)]
extern "C" fn __wrap___tsan_atomic_thread_fence(order: c_int) {
    // SAFETY: it may be called at any time.
    unsafe { __real___tsan_atomic_thread_fence(order) };
    let word = SUBTRACTED.replace(ptr::null());
    if order == ACQUIRE && !word.is_null() {
        acquire(word);
    }
}
