//! What ThreadSanitizer's runtime can be told (`sanitizer/tsan_interface.h` and
//! `tsan_interface_ann.cpp` of compiler-rt).

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_char, c_int, c_void};

unsafe extern "C" {
    fn __tsan_acquire(address: *mut c_void);
    fn __tsan_release(address: *mut c_void);
}

// The dynamic annotations, which the runtime understands as well. `__tsan_mutex_pre_lock` and its
// relatives are not for us: between two of them the runtime ignores whatever the thread does, and
// a signal handler's doings must not be ignored (`rewire-memory/src/scan/handler.rs`).
unsafe extern "C" {
    fn AnnotateRWLockAcquired(file: *const c_char, line: c_int, lock: *mut c_void, alone: usize);
    fn AnnotateRWLockReleased(file: *const c_char, line: c_int, lock: *mut c_void, alone: usize);
    fn AnnotateRWLockDestroy(file: *const c_char, line: c_int, lock: *mut c_void);
}

/// What others do after [`acquire`] with this address comes after what was done before this.
pub(super) fn release(address: *const ()) {
    // SAFETY: the address is a name to the runtime; it reads nothing there.
    unsafe { __tsan_release(address.cast_mut().cast()) };
}

/// See [`release`].
pub(super) fn acquire(address: *const ()) {
    // SAFETY: as in `release`.
    unsafe { __tsan_acquire(address.cast_mut().cast()) };
}

/// How a lock is held.
#[derive(Clone, Copy)]
pub(super) enum Hold {
    /// By one alone.
    Alone,
    /// By one alone that would not have waited for it. What doesn't wait can't deadlock, so the
    /// runtime is told what was acquired, and not that a lock was taken.
    Tried,
    /// With others that do the same.
    Shared,
}

/// A lock's name to the runtime: its address, for which it must have a byte. Dropping it says
/// that the lock is gone.
#[derive(Default)]
pub(super) struct Name(UnsafeCell<u8>);

// SAFETY: nobody reads or writes the byte.
unsafe impl Sync for Name {}

impl std::panic::RefUnwindSafe for Name {}

impl Name {
    pub(super) const fn new() -> Self {
        Self(UnsafeCell::new(0))
    }

    fn address(&self) -> *mut c_void {
        self.0.get().cast()
    }

    /// Tells that this thread has taken the lock.
    pub(super) fn taken(&self, hold: Hold) {
        let (here, alone) = (self.address(), usize::from(!matches!(hold, Hold::Shared)));
        match hold {
            Hold::Tried => acquire(here.cast_const().cast()),
            // SAFETY: the runtime doesn't touch the byte; what it gets is true.
            _ => unsafe { AnnotateRWLockAcquired(FILE.as_ptr(), 0, here, alone) },
        }
    }

    /// Tells that this thread is about to give the lock back.
    pub(super) fn giving_back(&self, hold: Hold) {
        let (here, alone) = (self.address(), usize::from(!matches!(hold, Hold::Shared)));
        match hold {
            Hold::Tried => release(here.cast_const().cast()),
            // SAFETY: as in `taken`.
            _ => unsafe { AnnotateRWLockReleased(FILE.as_ptr(), 0, here, alone) },
        }
    }
}

/// Where the annotations say that they are; reports have better to tell.
const FILE: &CStr = c"rewire-sync";

impl Drop for Name {
    fn drop(&mut self) {
        // SAFETY: nobody has the lock, for it is being dropped.
        unsafe { AnnotateRWLockDestroy(FILE.as_ptr(), 0, self.address()) };
    }
}
