//! Locks that ignore poisoning, and the order in which a thread may take them.
//!
//! [`rewire_sync::unpoisoned`] says why ignoring poisoning is sound.
//!
//! A thread takes the engine's locks in this order, and may leave out any of them:
//!
//! 1. the fork lock (`host/fork_lock.rs`),
//! 2. the list of engines (`core/registry.rs`),
//! 3. the lock that allows one thread at a time to look for code to free (`reclaim.rs`),
//! 4. the list of units whose memory isn't placed yet (`core/loading.rs`),
//! 5. the ledger of an engine (`core/mod.rs`),
//! 6. the locks of small data, which [`lock`] takes; a thread that holds one of these takes no lock
//!    of the other kinds.
//!
//! The C library's loader has a lock that other threads hold while they run code of the program,
//! such as a library's constructors. Before a thread waits for that lock, for another thread or for
//! the client, it must have left the engine, and hold none of the engine's locks
//! ([`nothing_is_held`]).
//!
//! Builds with debug assertions check the order; other builds don't, and pay nothing.

use std::ops::{Deref, DerefMut};

use rewire_sync::{Mutex, MutexGuard};

/// The kinds of locks, in the order in which they may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LockRank {
    Fork,
    Engines,
    Reclaim,
    Unplaced,
    Ledger,
    Small,
}

/// Takes the lock of small data.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> Guard<'_, T> {
    lock_ranked(mutex, LockRank::Small)
}

/// Takes a lock of the kind `rank`.
pub(crate) fn lock_ranked<T>(mutex: &Mutex<T>, rank: LockRank) -> Guard<'_, T> {
    let held = Held::begin(rank);
    Guard {
        guard: rewire_sync::lock(mutex),
        _held: held,
    }
}

/// A lock that the thread holds until the guard is dropped.
#[derive(Debug)]
pub(crate) struct Guard<'m, T> {
    guard: MutexGuard<'m, T>,
    _held: Held,
}

impl<'m, T> Guard<'m, T> {
    /// Makes the guard of a lock that was taken without waiting (`try_lock`). Such a lock may be
    /// taken out of order.
    pub(crate) fn of_free(guard: MutexGuard<'m, T>, rank: LockRank) -> Self {
        Self {
            guard,
            _held: Held::unordered(rank),
        }
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

/// Records that this thread holds a lock, or is about to take it.
#[derive(Debug)]
pub(crate) struct Held {
    #[cfg(debug_assertions)]
    rank: LockRank,
}

#[cfg(debug_assertions)]
thread_local! {
    /// The number of locks of each kind that this thread holds.
    static HELD: std::cell::Cell<[u16; 6]> = const { std::cell::Cell::new([0; 6]) };
}

#[cfg(debug_assertions)]
impl Held {
    /// Panics if the thread holds a lock that comes later in the order, or one of the same kind
    /// (other than a small one).
    pub(crate) fn begin(rank: LockRank) -> Self {
        let first_forbidden = match rank {
            LockRank::Small => rank as usize + 1,
            _ => rank as usize,
        };
        assert_none_from(first_forbidden, "takes a lock out of order", rank);
        Self::unordered(rank)
    }

    fn unordered(rank: LockRank) -> Self {
        let mut held = HELD.get();
        held[rank as usize] += 1;
        HELD.set(held);
        Self { rank }
    }
}

#[cfg(debug_assertions)]
impl Drop for Held {
    fn drop(&mut self) {
        let mut held = HELD.get();
        held[self.rank as usize] -= 1;
        HELD.set(held);
    }
}

#[cfg(debug_assertions)]
fn assert_none_from(first: usize, does: &str, rank: LockRank) {
    let held = HELD.get();
    assert!(
        held[first..].iter().all(|count| *count == 0),
        "a thread that has locks (fork, engines, reclaim, unplaced, ledger, small: {held:?}) {does}: {rank:?}"
    );
}

#[cfg(not(debug_assertions))]
impl Held {
    pub(crate) fn begin(_rank: LockRank) -> Self {
        Self {}
    }

    fn unordered(_rank: LockRank) -> Self {
        Self {}
    }
}

/// Checks that this thread holds none of the engine's locks. To be called before it waits for
/// anything outside the engine.
pub(crate) fn nothing_is_held() {
    #[cfg(debug_assertions)]
    assert_none_from(
        LockRank::Engines as usize,
        "waits outside of the engine",
        LockRank::Fork,
    );
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn is_refused(work: impl FnOnce()) -> bool {
        catch_unwind(AssertUnwindSafe(work)).is_err()
    }

    #[test]
    fn locks_are_taken_in_their_order_only() {
        let ledger = Mutex::new(());
        let small = Mutex::new(());
        let take_ledger = || drop(lock_ranked(&ledger, LockRank::Ledger));
        let take_small = || drop(lock(&small));
        {
            let _fork = Held::begin(LockRank::Fork);
            let _ledger = lock_ranked(&ledger, LockRank::Ledger);
            take_small();
            assert!(is_refused(|| drop(Held::begin(LockRank::Engines))));
            assert!(is_refused(nothing_is_held));
        }
        {
            let _small = lock(&small);
            assert!(is_refused(take_ledger));
            assert!(is_refused(nothing_is_held));
        }
        // A refused lock was not recorded as held, and a dropped one isn't any more.
        take_ledger();
        nothing_is_held();
    }
}
