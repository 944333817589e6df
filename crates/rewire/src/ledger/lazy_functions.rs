//! Functions whose IR the client makes when they are called: for the first time, or anew.

use rewire_memory::Slots;

use super::lazy_closure::Lazy;
use super::{Definition, EntryId, EntryKind, Ledger, State};
use crate::base::resolver::LazyIr;

impl Ledger {
    /// Lets a client's closure make the IR of a function when it is called.
    pub(crate) fn define_lazily(&mut self, id: EntryId, make: LazyIr) {
        let entry = self.entry_mut(id);
        entry.definition = Definition::Lazy;
        entry.kind = EntryKind::Function;
        entry.state = State::Absent;
        self.lazies.insert(id, Lazy(make));
    }

    /// Whether the client makes a function's IR anew when it is next called.
    pub(crate) fn is_stale(&self, id: EntryId) -> bool {
        self.lazies.contains_key(&id)
    }

    /// Lets a client's closure make the IR anew of a function that has some.
    pub(crate) fn make_stale(&mut self, id: EntryId, make: LazyIr, slots: &Slots) {
        self.set_stale(id, slots);
        self.entry_mut(id).state = State::Absent;
        self.lazies.insert(id, Lazy(make));
    }
}
