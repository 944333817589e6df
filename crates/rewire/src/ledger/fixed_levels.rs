//! Functions that the client wants compiled at a level, whatever the engine would choose.

use rewire_llvm::Level;
use rewire_memory::Slots;

use super::{EntryId, Ledger};

impl Ledger {
    /// Sets the level at which a function is compiled, or leaves it to the engine again. Code that
    /// it has is dropped.
    pub(crate) fn set_fixed_level(&mut self, id: EntryId, level: Option<Level>, slots: &Slots) {
        match level {
            Some(level) => self.fixed_levels.insert(id, level),
            None => self.fixed_levels.remove(&id),
        };
        self.set_stale(id, slots);
    }

    /// Returns the level that the client has set for a function.
    pub(crate) fn fixed_level(&self, id: EntryId) -> Option<Level> {
        // Nearly always, there are none.
        if self.fixed_levels.is_empty() {
            return None;
        }
        self.fixed_levels.get(&id).copied()
    }

    /// Returns the functions for which the client has set a level.
    pub(crate) fn with_fixed_level(&self) -> Vec<EntryId> {
        self.fixed_levels.keys().copied().collect()
    }
}
