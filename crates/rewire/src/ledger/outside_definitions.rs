//! What names stand for that no unit's IR defines: of the host, the client, the engine, or
//! assembly.

use rewire_llvm::Linkage;
use rewire_memory::{ExecAddr, Slots};

use super::slot_stores::{SlotStore, store};
use super::{Definition, EntryId, EntryKind, Ledger, State};
use crate::base::addresses::BodyAddr;
use crate::base::ids::UnitKey;

/// A definition of a unit's module-level assembly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AssemblySymbol {
    pub(crate) linkage: Linkage,
    pub(crate) kind: EntryKind,
    pub(crate) size: u64,
}

impl Ledger {
    /// Somebody may keep the name's address: it stays its own for ever.
    pub(crate) fn note_escaped(&mut self, id: EntryId) {
        self.entry_mut(id).has_escaped = true;
    }

    /// The host or a resolver has a name that nothing defines.
    pub(crate) fn supply(&mut self, id: EntryId, state: State, slots: &Slots) {
        let entry = self.entry_mut(id);
        entry.state = state;
        if let (Some(slot), State::Present(address)) = (entry.slot, &entry.state) {
            store(slots, slot, SlotStore::Given(*address));
        }
    }

    /// What a name is taken for, as long as nothing says what it is.
    pub(crate) fn note_kind(&mut self, id: EntryId, kind: EntryKind) {
        let entry = self.entry_mut(id);
        if entry.kind == EntryKind::Unknown {
            entry.kind = kind;
        }
    }

    /// The client gives a name an address, if nothing else stands for it; whether it does.
    pub(crate) fn define_address(&mut self, id: EntryId, address: ExecAddr, slots: &Slots) -> bool {
        let entry = self.entry_mut(id);
        let is_new = entry.definition == Definition::None && !entry.is_present();
        if !is_new || entry.changing.is_some() {
            return false;
        }
        entry.definition = Definition::Absolute;
        self.supply(id, State::Present(BodyAddr::new(address)), slots);
        true
    }

    /// The engine defines a variable, unless something else does.
    pub(crate) fn define_engines_own(&mut self, id: EntryId, address: ExecAddr) {
        let entry = self.entry_mut(id);
        if entry.definition == Definition::None {
            entry.definition = Definition::Engine;
            entry.kind = EntryKind::Data;
            entry.state = State::Present(BodyAddr::new(address));
        }
    }

    /// Assembly of a unit defines a name.
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

    /// Frozen code calls the host's function of this name directly: it can't be defined any more.
    pub(crate) fn note_bound(&mut self, id: EntryId) {
        self.entry_mut(id).is_bound = true;
    }
}
