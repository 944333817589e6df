//! What ThreadSanitizer's runtime can be told (`sanitizer/tsan_interface.h` of compiler-rt).

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_uint, c_void};

unsafe extern "C" {
    fn __tsan_acquire(address: *mut c_void);
    fn __tsan_release(address: *mut c_void);
    fn __tsan_mutex_pre_lock(address: *mut c_void, flags: c_uint);
    fn __tsan_mutex_post_lock(address: *mut c_void, flags: c_uint, recursion: c_int);
    fn __tsan_mutex_pre_unlock(address: *mut c_void, flags: c_uint) -> c_int;
    fn __tsan_mutex_post_unlock(address: *mut c_void, flags: c_uint);
    fn __tsan_mutex_destroy(address: *mut c_void, flags: c_uint);
}

const READ_LOCK: c_uint = 1 << 3;
const TRY_LOCK: c_uint = 1 << 4;
const TRY_LOCK_FAILED: c_uint = 1 << 5;

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
    /// With others that do the same.
    Shared,
}

impl Hold {
    fn flags(self) -> c_uint {
        match self {
            Self::Alone => 0,
            Self::Shared => READ_LOCK,
        }
    }
}

/// A lock's name to the runtime: its address, for which it must have a byte. Dropping it says that the lock is gone.
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

    /// Tells of taking the lock, which `take` does.
    pub(super) fn lock<R>(&self, hold: Hold, take: impl FnOnce() -> R) -> R {
        // SAFETY: the runtime is told before and after, by the same thread, and doesn't touch the byte.
        unsafe { __tsan_mutex_pre_lock(self.address(), hold.flags()) };
        let taken = take();
        // SAFETY: as above.
        unsafe { __tsan_mutex_post_lock(self.address(), hold.flags(), 0) };
        taken
    }

    /// The same where the lock may be taken already: `take` has it if `is_taken` says so.
    pub(super) fn try_lock<R>(
        &self,
        take: impl FnOnce() -> R,
        is_taken: impl FnOnce(&R) -> bool,
    ) -> R {
        // SAFETY: as in `lock`.
        unsafe { __tsan_mutex_pre_lock(self.address(), TRY_LOCK) };
        let result = take();
        let failed = if is_taken(&result) {
            0
        } else {
            TRY_LOCK_FAILED
        };
        // SAFETY: as in `lock`.
        unsafe { __tsan_mutex_post_lock(self.address(), TRY_LOCK | failed, 0) };
        result
    }

    /// Tells of giving the lock back, which `give` does.
    pub(super) fn unlock<R>(&self, hold: Hold, give: impl FnOnce() -> R) -> R {
        // SAFETY: as in `lock`.
        unsafe { __tsan_mutex_pre_unlock(self.address(), hold.flags()) };
        let given = give();
        // SAFETY: as in `lock`.
        unsafe { __tsan_mutex_post_unlock(self.address(), hold.flags()) };
        given
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        // SAFETY: nobody has the lock, for it is being dropped.
        unsafe { __tsan_mutex_destroy(self.address(), 0) };
    }
}
