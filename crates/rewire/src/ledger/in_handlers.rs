//! Functions that signal handlers run.
//!
//! A signal may interrupt the program while it holds a lock that compiling needs, so such a
//! function must have code before the signal comes (`process/signals.rs`).

use super::{EntryId, Ledger};

impl Ledger {
    /// Notes that a signal handler runs these functions.
    pub(crate) fn note_in_handlers(&mut self, functions: &[EntryId]) {
        self.handlers.all.extend(functions);
    }

    /// Whether a signal handler runs a function.
    pub(crate) fn runs_in_handlers(&self, id: EntryId) -> bool {
        self.handlers.all.contains(&id)
    }

    /// Notes that a function's code is gone, or that it has other code.
    pub(super) fn note_handler_changed(&mut self, id: EntryId) {
        if self.runs_in_handlers(id) {
            self.handlers.changed.push(id);
        }
    }

    /// Returns the functions that handlers run and that may have no code, or callees without code,
    /// and takes them off the list.
    pub(crate) fn take_changed_handlers(&mut self) -> Vec<EntryId> {
        std::mem::take(&mut self.handlers.changed)
    }
}
