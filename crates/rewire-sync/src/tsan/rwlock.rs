use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::sync::{self, LockResult, PoisonError};

use super::runtime::{Hold, Name};

/// [`std::sync::RwLock`].
#[derive(Default)]
pub struct RwLock<T: ?Sized> {
    name: Name,
    inner: sync::RwLock<T>,
}

impl<T> RwLock<T> {
    /// As `std`'s.
    pub const fn new(value: T) -> Self {
        Self {
            name: Name::new(),
            inner: sync::RwLock::new(value),
        }
    }
}

impl<T: ?Sized> RwLock<T> {
    /// As `std`'s.
    ///
    /// # Errors
    ///
    /// As `std`'s.
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        let guard = |inner| {
            self.name.taken(Hold::Shared);
            RwLockReadGuard {
                inner: ManuallyDrop::new(inner),
                name: &self.name,
            }
        };
        match self.inner.read() {
            Ok(inner) => Ok(guard(inner)),
            Err(poisoned) => Err(PoisonError::new(guard(poisoned.into_inner()))),
        }
    }

    /// As `std`'s.
    ///
    /// # Errors
    ///
    /// As `std`'s.
    pub fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        let guard = |inner| {
            self.name.taken(Hold::Alone);
            RwLockWriteGuard {
                inner: ManuallyDrop::new(inner),
                name: &self.name,
            }
        };
        match self.inner.write() {
            Ok(inner) => Ok(guard(inner)),
            Err(poisoned) => Err(PoisonError::new(guard(poisoned.into_inner()))),
        }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `std`'s would take the lock without a word.
        f.write_str("RwLock")
    }
}

/// [`std::sync::RwLockReadGuard`].
pub struct RwLockReadGuard<'l, T: ?Sized> {
    /// There until the guard is dropped.
    inner: ManuallyDrop<sync::RwLockReadGuard<'l, T>>,
    name: &'l Name,
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    fn drop(&mut self) {
        self.name.giving_back(Hold::Shared);
        // SAFETY: it is dropped here alone.
        unsafe { ManuallyDrop::drop(&mut self.inner) };
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

/// [`std::sync::RwLockWriteGuard`].
pub struct RwLockWriteGuard<'l, T: ?Sized> {
    /// There until the guard is dropped.
    inner: ManuallyDrop<sync::RwLockWriteGuard<'l, T>>,
    name: &'l Name,
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    fn drop(&mut self) {
        self.name.giving_back(Hold::Alone);
        // SAFETY: it is dropped here alone.
        unsafe { ManuallyDrop::drop(&mut self.inner) };
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}
