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
        guarded(self.inner.lock(), &self.name)
    }

    /// As `std`'s.
    ///
    /// # Errors
    ///
    /// As `std`'s.
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        match self.inner.try_lock() {
            Ok(inner) => Ok(MutexGuard::new(inner, &self.name, Hold::Tried)),
            Err(TryLockError::WouldBlock) => Err(TryLockError::WouldBlock),
            Err(TryLockError::Poisoned(poisoned)) => {
                let guard = MutexGuard::new(poisoned.into_inner(), &self.name, Hold::Tried);
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
        Ok(inner) => Ok(MutexGuard::new(inner, name, Hold::Alone)),
        Err(poisoned) => {
            let guard = MutexGuard::new(poisoned.into_inner(), name, Hold::Alone);
            Err(PoisonError::new(guard))
        }
    }
}

/// [`std::sync::MutexGuard`].
pub struct MutexGuard<'m, T: ?Sized> {
    /// There until the guard is dropped.
    inner: ManuallyDrop<sync::MutexGuard<'m, T>>,
    name: &'m Name,
    hold: Hold,
}

impl<'m, T: ?Sized> MutexGuard<'m, T> {
    /// Of a lock that was taken just now.
    fn new(inner: sync::MutexGuard<'m, T>, name: &'m Name, hold: Hold) -> Self {
        name.taken(hold);
        Self {
            inner: ManuallyDrop::new(inner),
            name,
            hold,
        }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.name.giving_back(self.hold);
        // SAFETY: it is dropped here alone.
        unsafe { ManuallyDrop::drop(&mut self.inner) };
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

/// [`std::sync::Condvar`]. It orders nothing of itself: the lock does, which is given back and
/// taken again.
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
        name.giving_back(guard.hold);
        guarded(self.0.wait(inner), name)
    }

    /// As `std`'s.
    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}
