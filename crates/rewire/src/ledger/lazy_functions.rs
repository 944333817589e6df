//! Functions whose IR a client's closure makes: on the first call, or again after they became
//! stale.

use rewire_memory::Slots;

use super::lazy_closure::Lazy;
use super::{Definition, EntryId, EntryKind, Ledger, State};
use crate::base::resolver::LazyIr;

impl Ledger {
    /// Defines a function by a client's closure, which makes the IR when the function is first
    /// called.
    pub(crate) fn define_lazily(&mut self, id: EntryId, make: LazyIr) {
        let entry = self.entry_mut(id);
        entry.definition = Definition::Lazy;
        entry.kind = EntryKind::Function;
        entry.state = State::Absent;
        self.lazies.insert(id, Lazy(make));
    }

    /// Whether a closure is to make the function's IR when it is next called.
    pub(crate) fn is_stale(&self, id: EntryId) -> bool {
        self.lazies.contains_key(&id)
    }

    /// Marks a function with a definition as stale: a closure makes its new IR when it is next
    /// called.
    pub(crate) fn make_stale(&mut self, id: EntryId, make: LazyIr, slots: &Slots) {
        self.set_stale(id, slots);
        self.entry_mut(id).state = State::Absent;
        self.lazies.insert(id, Lazy(make));
    }
}
