//! Locks that no panic poisons.
//!
//! A panic of ours is caught where compiled code enters the engine, and the engine goes on. What
//! a lock guards is consistent between its operations: each checks first and changes then.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use rewire_sync::{Condvar, Mutex, MutexGuard};

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells threads that what one lock guards has changed. Telling makes no system call when nobody
/// waits, which a `Condvar` alone does.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    condvar: Condvar,
    /// How many threads wait; changed with the lock held.
    waiting: AtomicUsize,
}

impl Signal {
    /// Gives the lock up until something has changed. It must be the same lock each time.
    pub(crate) fn wait<'m, T>(&self, guard: MutexGuard<'m, T>) -> MutexGuard<'m, T> {
        // The lock orders these with the load in `notify_all`: whoever changes something after
        // this thread gave the lock up sees that it waits.
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let guard = self.condvar.wait(guard);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        guard.unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes those who wait. To be called after the change, which was made with the lock held.
    pub(crate) fn notify_all(&self) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.condvar.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn whoever_waits_is_told() {
        let shared = Arc::new((Mutex::new(0), Signal::default()));
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                let shared = shared.clone();
                thread::spawn(move || {
                    let (state, changed) = &*shared;
                    let mut state = lock(state);
                    while *state < 100 {
                        state = changed.wait(state);
                    }
                })
            })
            .collect();
        for _ in 0..100 {
            *lock(&shared.0) += 1;
            shared.1.notify_all();
        }
        for waiter in waiters {
            waiter.join().unwrap();
        }
        assert_eq!(shared.1.waiting.load(Ordering::Relaxed), 0);
    }
}
