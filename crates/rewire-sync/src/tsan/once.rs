use std::cell::UnsafeCell;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync;

use super::runtime::{acquire, release};

/// [`std::sync::Once`].
pub struct Once(sync::Once);

impl Once {
    /// As `std`'s.
    #[expect(clippy::new_without_default, reason = "std's has none either")]
    #[must_use]
    pub const fn new() -> Self {
        Self(sync::Once::new())
    }

    /// As `std`'s.
    pub fn call_once(&self, work: impl FnOnce()) {
        self.0.call_once(|| {
            work();
            // The last thing before `std` says that it is done.
            release(self.address());
        });
        acquire(self.address());
    }

    /// As `call_once`, also after work has panicked.
    fn call_once_force(&self, work: impl FnOnce()) {
        self.0.call_once_force(|_| {
            work();
            release(self.address());
        });
        acquire(self.address());
    }

    /// Whether the work is done, and with it all that was done before its end.
    fn is_completed(&self) -> bool {
        let is_completed = self.0.is_completed();
        if is_completed {
            acquire(self.address());
        }
        is_completed
    }

    fn address(&self) -> *const () {
        (&raw const self.0).cast()
    }
}

/// [`std::sync::OnceLock`]. Not a wrapper, because `std`'s writes the value after anybody else has
/// the last word; made of [`Once`] as that one is.
pub struct OnceLock<T> {
    once: Once,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: the value is written by one thread, before anybody reads it, and may be dropped by
// another.
unsafe impl<T: Send + Sync> Sync for OnceLock<T> {}
impl<T: RefUnwindSafe + UnwindSafe> RefUnwindSafe for OnceLock<T> {}

impl<T> OnceLock<T> {
    /// As `std`'s.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            once: Once::new(),
            value: UnsafeCell::new(None),
        }
    }

    /// As `std`'s.
    pub fn get(&self) -> Option<&T> {
        if !self.once.is_completed() {
            return None;
        }
        // SAFETY: it was written, and nobody writes it any more.
        unsafe { (*self.value.get()).as_ref() }
    }

    /// As `std`'s.
    ///
    /// # Errors
    ///
    /// As `std`'s.
    pub fn set(&self, value: T) -> Result<(), T> {
        let mut value = Some(value);
        // SAFETY: this runs once, and nobody reads before it is done.
        self.once
            .call_once_force(|| unsafe { *self.value.get() = value.take() });
        value.map_or(Ok(()), Err)
    }

    /// As `std`'s.
    pub fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        // SAFETY: as in `set`.
        self.once
            .call_once_force(|| unsafe { *self.value.get() = Some(make()) });
        match self.get() {
            Some(value) => value,
            None => unreachable!("it was written just now"),
        }
    }
}

impl<T> Default for OnceLock<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceLock").field(&self.get()).finish()
    }
}
