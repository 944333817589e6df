//! Detects deadlocks between threads that wait for one another.
//!
//! A thread may wait for a definition that another thread materializes, for names that another
//! changes, or for what another places. The ledger knows which thread waits for which, so that no
//! cycle arises.

use super::Awaited;
use super::{Ledger, State, ThreadKey};

impl Ledger {
    /// Whether thread `me` would wait for itself if it waited for this: because it is doing it, or
    /// because the thread that does waits for `me`, possibly through others.
    pub(crate) fn would_wait_for_itself(&self, me: ThreadKey, awaited: Awaited) -> bool {
        let mut awaited = awaited;
        // Each step leads to another thread, so the loop ends, unless it meets a cycle of other
        // threads that one of them is about to break.
        for _ in 0..=self.waiting.len() {
            let owner = match awaited {
                Awaited::Thread(owner) => owner,
                Awaited::Definition(id) => match self.entry(id).state {
                    State::Pending(owner) => owner,
                    _ => return false,
                },
            };
            if owner == me {
                return true;
            }
            match self.waiting.get(&owner) {
                Some(next) => awaited = *next,
                None => return false,
            }
        }
        false
    }

    /// Records that this thread waits, until [`Ledger::has_waited`].
    pub(crate) fn waits(&mut self, awaited: Awaited) {
        self.waiting.insert(ThreadKey::mine(), awaited);
    }

    /// Records that this thread no longer waits.
    pub(crate) fn has_waited(&mut self) {
        self.waiting.remove(&ThreadKey::mine());
    }

    /// Records that this thread places what units need before their code runs; returns `false` if
    /// it does so already.
    pub(crate) fn begin_placing(&mut self) -> bool {
        self.placing.insert(ThreadKey::mine())
    }

    /// Records that this thread has finished placing.
    pub(crate) fn end_placing(&mut self) {
        self.placing.remove(&ThreadKey::mine());
    }

    /// Returns another thread that is placing, if this one can wait for it.
    pub(crate) fn awaited_placing(&self) -> Option<Awaited> {
        let me = ThreadKey::mine();
        let others = self.placing.iter().map(|one| Awaited::Thread(*one));
        let mut free = others.filter(|one| !self.would_wait_for_itself(me, *one));
        free.next()
    }

    /// Discards what all other threads were materializing, changing, placing or waiting for,
    /// because a forked child doesn't have them.
    pub(crate) fn forget_other_threads(&mut self, me: ThreadKey) {
        for entry in self.entries.values_mut() {
            if matches!(entry.state, State::Pending(owner) if owner != me) {
                entry.state = State::Absent;
            }
            if entry.changing.is_some_and(|owner| owner != me) {
                entry.changing = None;
            }
        }
        self.waiting.retain(|owner, _| *owner == me);
        self.placing.retain(|owner| *owner == me);
    }
}
