//! Claims definitions for the thread that materializes them.

use std::sync::Arc;

use rewire_memory::MemoryError;

use super::{Definition, EntryId, Ledger, State, ThreadKey};
use crate::base::error::Error;

impl Ledger {
    /// Claims a definition for this thread.
    pub(crate) fn claim(&mut self, id: EntryId) {
        self.entry_mut(id).state = State::Pending(ThreadKey::mine());
    }

    /// Claims a definition if no thread has claimed it and the name still stands for it; returns
    /// whether it did.
    pub(crate) fn claim_if_absent(&mut self, id: EntryId, definition: Definition) -> bool {
        let entry = self.entry(id);
        let is_free = matches!(entry.state, State::Absent) && entry.definition == definition;
        if is_free {
            self.claim(id);
        }
        is_free
    }

    /// Releases this thread's claim; returns whether it had one.
    pub(crate) fn release_claim(&mut self, id: EntryId) -> bool {
        let is_mine = self.is_pending_here(id);
        if is_mine {
            self.entry_mut(id).state = State::Absent;
        }
        is_mine
    }

    /// Ends this thread's claims of definitions that can't be materialized now. The error is
    /// recorded for all later calls, unless the next one may succeed.
    pub(crate) fn end_claims(&mut self, ids: impl IntoIterator<Item = EntryId>, error: &Error) {
        let state = match error {
            // A name that nothing defines now may be defined later, and a region that is full now
            // may have room then.
            Error::MissingFunction { .. }
            | Error::Removed { .. }
            | Error::Panicked { .. }
            | Error::ListenerPanicked { .. }
            | Error::ListenerDepth { .. }
            | Error::Memory(MemoryError::Full { .. }) => State::Absent,
            _ => State::Failed(Arc::new(error.clone())),
        };
        for id in ids {
            if self.is_pending_here(id) {
                self.entry_mut(id).state = state.clone();
            }
        }
    }
}
