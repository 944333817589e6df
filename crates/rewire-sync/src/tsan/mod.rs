//! `std`'s locks, with word to ThreadSanitizer. Only what the engine uses is there.

mod fence;
mod mutex;
mod once;
mod runtime;
mod rwlock;

pub use mutex::{Condvar, Mutex, MutexGuard};
pub use once::{Once, OnceLock};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
