//! Enters definitions that no unit's IR has: of the host, the client, the engine, or assembly.

use rewire_llvm::Linkage;
use rewire_memory::{ExecAddr, Slots};

use super::slot_stores::{SlotStore, store};
use super::{Definition, EntryId, EntryKind, Ledger, Located, State};
use crate::base::addresses::BodyAddr;
use crate::base::ids::UnitKey;

/// A symbol that a unit's module-level assembly defines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AssemblySymbol {
    pub(crate) linkage: Linkage,
    pub(crate) kind: EntryKind,
    pub(crate) size: u64,
}

impl Ledger {
    /// Records that the name's address was given out; it stays this name's for ever.
    pub(crate) fn note_escaped(&mut self, id: EntryId) {
        self.entry_mut(id).has_escaped = true;
    }

    /// Enters what the host or a resolver has for a name that nothing defines.
    pub(crate) fn supply(&mut self, id: EntryId, located: Located, slots: &Slots) {
        let entry = self.entry_mut(id);
        entry.state = located.into();
        if let (Some(slot), State::Present(address)) = (entry.slot, &entry.state) {
            store(slots, slot, SlotStore::Given(*address));
        }
    }

    /// Sets the kind of a name, unless it is known already.
    pub(crate) fn note_kind(&mut self, id: EntryId, kind: EntryKind) {
        let entry = self.entry_mut(id);
        if entry.kind == EntryKind::Unknown {
            entry.kind = kind;
        }
    }

    /// Defines a name as an address of the client's, unless something else defines it. Returns
    /// whether it did.
    pub(crate) fn define_address(&mut self, id: EntryId, address: ExecAddr, slots: &Slots) -> bool {
        let entry = self.entry_mut(id);
        let is_new = entry.definition == Definition::None && !entry.is_present();
        if !is_new || entry.changing.is_some() {
            return false;
        }
        entry.definition = Definition::Absolute;
        self.supply(id, Located::At(BodyAddr::new(address)), slots);
        true
    }

    /// Defines a name as a variable of the engine's, unless something else defines it.
    pub(crate) fn define_engines_own(&mut self, id: EntryId, address: ExecAddr) {
        let entry = self.entry_mut(id);
        if entry.definition == Definition::None {
            entry.definition = Definition::Engine;
            entry.kind = EntryKind::Data;
            entry.state = State::Present(BodyAddr::new(address));
        }
    }

    /// Defines a name by a unit's assembly.
    pub(crate) fn define_by_assembly(
        &mut self,
        id: EntryId,
        unit: UnitKey,
        symbol: AssemblySymbol,
    ) {
        let entry = self.entry_mut(id);
        entry.definition = Definition::Assembly(unit);
        entry.linkage = symbol.linkage;
        entry.size = symbol.size;
        self.note_kind(id, symbol.kind);
    }

    /// Records that frozen code calls the host's function of this name directly, so the name can't
    /// be defined any more.
    pub(crate) fn note_bound(&mut self, id: EntryId) {
        self.entry_mut(id).is_bound = true;
    }
}
