//! The standard library's locks, for all crates of the engine.
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
