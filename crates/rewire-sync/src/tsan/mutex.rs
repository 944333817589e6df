use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::sync::{self, LockResult, PoisonError, TryLockError, TryLockResult};

use super::runtime::{Hold, Name};

/// [`std::sync::Mutex`].
#[derive(Default)]
pub struct Mutex<T: ?Sized> {
    name: Name,
    inner: sync::Mutex<T>,
}

impl<T> Mutex<T> {
    /// As `std`'s.
    pub const fn new(value: T) -> Self {
        Self {
            name: Name::new(),
            inner: sync::Mutex::new(value),
        }
    }

    /// As `std`'s.
    ///
    /// # Errors
    ///
    /// As `std`'s.
    pub fn into_inner(self) -> LockResult<T> {
        self.inner.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// As `std`'s.
    ///
    /// # Errors
    ///
    /// As `std`'s.
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let locked = self.name.lock(Hold::Alone, || self.inner.lock());
        guarded(locked, &self.name)
    }

    /// As `std`'s.
    ///
    /// # Errors
    ///
    /// As `std`'s.
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        let is_taken = |result: &TryLockResult<_>| !matches!(result, Err(TryLockError::WouldBlock));
        match self.name.try_lock(|| self.inner.try_lock(), is_taken) {
            Ok(inner) => Ok(MutexGuard::new(inner, &self.name)),
            Err(TryLockError::WouldBlock) => Err(TryLockError::WouldBlock),
            Err(TryLockError::Poisoned(poisoned)) => {
                let guard = MutexGuard::new(poisoned.into_inner(), &self.name);
                Err(TryLockError::Poisoned(PoisonError::new(guard)))
            }
        }
    }

    /// As `std`'s.
    ///
    /// # Errors
    ///
    /// As `std`'s.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.inner.get_mut()
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `std`'s would take the lock without a word.
        f.write_str("Mutex")
    }
}

fn guarded<'m, T: ?Sized>(
    locked: LockResult<sync::MutexGuard<'m, T>>,
    name: &'m Name,
) -> LockResult<MutexGuard<'m, T>> {
    match locked {
        Ok(inner) => Ok(MutexGuard::new(inner, name)),
        Err(poisoned) => Err(PoisonError::new(MutexGuard::new(
            poisoned.into_inner(),
            name,
        ))),
    }
}

/// [`std::sync::MutexGuard`].
pub struct MutexGuard<'m, T: ?Sized> {
    /// There until the guard is dropped.
    inner: ManuallyDrop<sync::MutexGuard<'m, T>>,
    name: &'m Name,
}

impl<'m, T: ?Sized> MutexGuard<'m, T> {
    fn new(inner: sync::MutexGuard<'m, T>, name: &'m Name) -> Self {
        Self {
            inner: ManuallyDrop::new(inner),
            name,
        }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.name.unlock(Hold::Alone, || {
            // SAFETY: it is dropped here alone.
            unsafe { ManuallyDrop::drop(&mut self.inner) };
        });
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// [`std::sync::Condvar`]. It orders nothing of itself: the lock does, which is given back and taken
/// again.
#[derive(Debug, Default)]
pub struct Condvar(sync::Condvar);

impl Condvar {
    /// As `std`'s.
    ///
    /// # Errors
    ///
    /// As `std`'s.
    pub fn wait<'m, T>(&self, guard: MutexGuard<'m, T>) -> LockResult<MutexGuard<'m, T>> {
        let mut guard = ManuallyDrop::new(guard);
        let name = guard.name;
        // SAFETY: the outer guard is dropped no more.
        let inner = unsafe { ManuallyDrop::take(&mut guard.inner) };
        // Said before it is done: what this thread did with the lock held is complete.
        name.unlock(Hold::Alone, || ());
        let locked = self.0.wait(inner);
        name.lock(Hold::Alone, || ());
        guarded(locked, name)
    }

    /// As `std`'s.
    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}
