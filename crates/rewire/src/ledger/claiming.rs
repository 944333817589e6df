//! Who makes a definition, and what comes of it.

use std::sync::Arc;

use super::{Definition, EntryId, Ledger, State, ThreadKey};
use crate::base::error::Error;

impl Ledger {
    /// A definition is this thread's to make.
    pub(crate) fn claim(&mut self, id: EntryId) {
        self.entry_mut(id).state = State::Pending(ThreadKey::mine());
    }

    /// The same, if nobody makes it and the name stands for it; whether it is.
    pub(crate) fn claim_if_absent(&mut self, id: EntryId, definition: Definition) -> bool {
        let entry = self.entry(id);
        let is_free = matches!(entry.state, State::Absent) && entry.definition == definition;
        if is_free {
            self.claim(id);
        }
        is_free
    }

    /// Leaves a definition to others; whether it was this thread's to make.
    pub(crate) fn release_claim(&mut self, id: EntryId) -> bool {
        let is_mine = self.is_pending_here(id);
        if is_mine {
            self.entry_mut(id).state = State::Absent;
        }
        is_mine
    }

    /// A definition that this thread was to make can't be made, now or later.
    pub(crate) fn fail_claim(&mut self, id: EntryId, error: &Arc<Error>) {
        if self.is_pending_here(id) {
            self.entry_mut(id).state = State::Failed(error.clone());
        }
    }
}
