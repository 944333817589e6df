//! Prefixed stubs: what lies at the canonical address of functions with prefix or prologue data.

use rewire_llvm::Ordinal;

use super::unit::Unit;
use super::{Definition, Entry, EntryId, EntryKind, Ledger};

impl Ledger {
    /// Sets the function's prefixed stub to that of the elected definition, unless the present one
    /// is in memory already. Then it stays, because its address is the function's.
    pub(super) fn elect_front(&mut self, unit: &Unit, ordinal: Ordinal, id: EntryId) {
        let global = &unit.index.globals[ordinal.index()];
        let known = self.entry(id).prefixed_stub;
        if known.is_some_and(|front| self.entry(front).is_present()) {
            return;
        }
        let front = global.has_front.then(|| {
            let mut front = Entry::new(unit.library, global.name.clone());
            front.kind = EntryKind::Data;
            front.definition = Definition::PrefixedStub(unit.id, ordinal);
            self.add(front)
        });
        self.entry_mut(id).prefixed_stub = front;
    }
}
