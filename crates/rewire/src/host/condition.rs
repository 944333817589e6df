//! [`Condition`]: lets threads wait for a change of what a lock guards.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use rewire_memory::futex;

use super::fork_lock;
use crate::base::sync::Guard;

/// Notifies threads that what a lock guards has changed. Notifying makes no system call when no
/// thread waits.
#[derive(Debug, Default)]
pub(crate) struct Condition {
    /// The number of changes so far.
    changes: AtomicU32,
    /// The number of threads that wait or are about to. In a forked child this may include threads
    /// of the parent, which only costs the child system calls.
    waiting: AtomicUsize,
}

impl Condition {
    /// Releases the lock until something has changed, and takes it again by `lock_again`, which
    /// must take the same lock. Meanwhile this thread is outside the engine. It may return early:
    /// the caller checks what it waits for, and waits again.
    pub(crate) fn wait<'m, T>(
        &self,
        guard: Guard<'m, T>,
        lock_again: impl FnOnce() -> Guard<'m, T>,
    ) -> Guard<'m, T> {
        let seen = self.changes.load(Ordering::SeqCst);
        // Either the notifying thread sees that this thread waits, or the kernel sees the change.
        self.waiting.fetch_add(1, Ordering::SeqCst);
        drop(guard);
        let outside = fork_lock::outside();
        futex::wait(&self.changes, seen, None);
        drop(outside);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        lock_again()
    }

    /// Wakes the waiting threads. To be called after the change, which was made with the lock held.
    pub(crate) fn notify_all(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            futex::wake_all(&self.changes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;
    use std::time::{Duration, Instant};

    use rewire_sync::Mutex;

    use super::*;
    use crate::base::sync::lock;

    /// A thread may be woken for a change that it had seen before it began to wait.
    #[test]
    fn whoever_is_woken_early_waits_again() {
        let shared = Arc::new((Mutex::new(false), Condition::default()));
        let waiter = thread::spawn({
            let shared = shared.clone();
            move || {
                let (is_over, changed) = &*shared;
                let mut state = lock(is_over);
                while !*state {
                    state = changed.wait(state, || lock(is_over));
                }
            }
        });
        let (is_over, changed) = &*shared;
        let until_it_waits = || {
            let limit = Instant::now() + Duration::from_secs(60);
            while changed.waiting.load(Ordering::SeqCst) == 0 {
                assert!(Instant::now() < limit, "nobody waits");
                thread::yield_now();
            }
        };
        until_it_waits();
        futex::wake_all(&changed.changes);
        until_it_waits();
        *lock(is_over) = true;
        changed.notify_all();
        waiter.join().unwrap();
    }

    #[test]
    fn whoever_waits_is_told() {
        let shared = Arc::new((Mutex::new(0), Condition::default()));
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                let shared = shared.clone();
                thread::spawn(move || {
                    let (state, changed) = &*shared;
                    let mut state = lock(state);
                    while *state < 100 {
                        state = changed.wait(state, || lock(&shared.0));
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
        assert_eq!(shared.1.waiting.load(Ordering::SeqCst), 0);
    }
}
