//! The functions that signal handlers run, as plain data ([`super::in_handlers`]).

use rustc_hash::FxHashSet;

use crate::base::ids::EntryId;

/// Functions that signal handlers run.
#[derive(Debug, Default)]
pub(super) struct HandlerFunctions {
    pub(super) all: FxHashSet<EntryId>,
    /// Those that have lost their code, or have other code, since their handlers were prepared.
    pub(super) changed: Vec<EntryId>,
}

impl HandlerFunctions {
    pub(super) fn forget(&mut self, id: EntryId) {
        self.all.remove(&id);
    }
}
