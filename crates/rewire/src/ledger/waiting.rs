//! Threads that wait for one another.
//!
//! A thread may wait for the definition that another makes, for the names that it changes, or for
//! what it places. Who waits for whom is known, so that none waits for itself.

use super::Awaited;
use super::{Ledger, State, ThreadKey};

impl Ledger {
    /// Whether a thread that waited for this would wait for itself: because it is making it, or
    /// because whoever makes it waits for this thread, through others perhaps.
    pub(crate) fn would_wait_for_itself(&self, me: ThreadKey, awaited: Awaited) -> bool {
        let mut awaited = awaited;
        // Each step is another thread, so this ends; unless a cycle of others is about to be
        // broken by one of them.
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

    /// This thread waits from here on, until [`Ledger::has_waited`].
    pub(crate) fn waits(&mut self, awaited: Awaited) {
        self.waiting.insert(ThreadKey::mine(), awaited);
    }

    /// This thread doesn't wait any more.
    pub(crate) fn has_waited(&mut self) {
        self.waiting.remove(&ThreadKey::mine());
    }

    /// This thread places what units need from the start; `false` if it does already.
    pub(crate) fn begin_placing(&mut self) -> bool {
        self.placing.insert(ThreadKey::mine())
    }

    /// This thread has placed it.
    pub(crate) fn end_placing(&mut self) {
        self.placing.remove(&ThreadKey::mine());
    }

    /// Another thread that places, and that this one can wait for.
    pub(crate) fn awaited_placing(&self) -> Option<Awaited> {
        let me = ThreadKey::mine();
        let others = self.placing.iter().map(|one| Awaited::Thread(*one));
        let mut free = others.filter(|one| !self.would_wait_for_itself(me, *one));
        free.next()
    }

    /// Gives up what all threads but this one were making, changing, placing, or waiting for: there
    /// are none.
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
