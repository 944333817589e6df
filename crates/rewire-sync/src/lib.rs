//! The standard library's locks, for all crates of the engine, and how they are taken: a panic
//! poisons none ([`unpoisoned`]).
//!
//! In every build but one these are `std::sync`'s own types. Under `--cfg rewire_tsan`
//! (`cargo xtask tsan`) they are thin wrappers that tell ThreadSanitizer what each lock orders.
//!
//! ThreadSanitizer learns what one thread does before another from the atomic operations that it
//! sees. It sees those of code that was compiled with it. The standard library comes compiled, and
//! without its sources, which rustup would have to fetch, it can't be compiled again. Its locks'
//! short ways are inlined into our crates and are seen; a thread that has to wait does so in the
//! library, and what it acquires there is not. Without the wrappers each such wait is reported as a
//! race.
//!
//! The wrappers state what `std` promises of each type and no more, so that they can't hide a race.
//! They also let ThreadSanitizer see locks as locks: it reports two that are taken in opposite
//! orders.

use std::sync::{LockResult, PoisonError, TryLockError};

#[cfg(not(rewire_tsan))]
pub use std::sync::{
    Condvar, Mutex, MutexGuard, Once, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard,
};

#[cfg(rewire_tsan)]
mod tsan;

#[cfg(rewire_tsan)]
pub use tsan::{
    Condvar, Mutex, MutexGuard, Once, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard,
};

/// What a lock guards, whether or not a thread panicked while it held the lock.
///
/// No panic spoils what the engine's locks guard: each operation checks first and changes then. A
/// panic of the engine's is caught where compiled code enters the engine, and the engine goes on.
pub fn unpoisoned<G>(result: LockResult<G>) -> G {
    result.unwrap_or_else(PoisonError::into_inner)
}

/// Locks a mutex; see [`unpoisoned`].
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    unpoisoned(mutex.lock())
}

/// Locks a mutex unless it is locked; see [`unpoisoned`].
pub fn try_lock<T: ?Sized>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Locks for reading; see [`unpoisoned`].
pub fn read<T: ?Sized>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    unpoisoned(lock.read())
}

/// Locks for writing; see [`unpoisoned`].
pub fn write<T: ?Sized>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    unpoisoned(lock.write())
}
