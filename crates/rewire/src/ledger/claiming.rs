//! Claims definitions for the thread that materializes them.

use std::sync::Arc;

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

    /// Records that the definition that this thread claimed can't be materialized, now or later.
    pub(crate) fn fail_claim(&mut self, id: EntryId, error: &Arc<Error>) {
        if self.is_pending_here(id) {
            self.entry_mut(id).state = State::Failed(error.clone());
        }
    }
}
