//! Locks that no panic poisons.
//!
//! A panic of ours is caught where compiled code enters the engine, and the engine goes on. What
//! a lock guards is consistent between its operations: each checks first and changes then.

use std::sync::PoisonError;

use rewire_sync::{Mutex, MutexGuard};

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
