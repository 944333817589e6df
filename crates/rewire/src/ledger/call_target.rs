//! Where calls of a function go, by what the ledger says.

use rewire_memory::Slots;

use super::slot_stores::{SlotStore, store};
use super::{EntryId, Ledger, State};
use crate::base::addresses::{BodyAddr, CanonicalAddr};

impl Ledger {
    /// Has calls go to a body that was linked: at once, or, if it was made ahead of the first call,
    /// then.
    pub(crate) fn lead_to_body(
        &mut self,
        id: EntryId,
        start: BodyAddr,
        may_wait: bool,
        slots: &Slots,
    ) {
        let is_gated = self.is_gated(id);
        let known = self.entry_mut(id);
        let is_ahead = may_wait && !known.called && known.address_is_stub() && !is_gated;
        known.is_ahead = is_ahead;
        if let Some(slot) = known.slot.filter(|_| !is_gated) {
            store(slots, slot, SlotStore::Body { start, is_ahead });
        }
        self.counts.compiled_ahead += u64::from(is_ahead);
    }

    /// Has calls go to the definition in force, if it is in memory; whether it is. A function that
    /// was compiled ahead, or that was replaced while it was compiled, is led to so.
    pub(crate) fn lead_to_present(&mut self, id: EntryId, slots: &Slots) -> bool {
        let entry = self.entry(id);
        let (Some(slot), State::Present(address)) = (entry.slot, &entry.state) else {
            return false;
        };
        store(slots, slot, SlotStore::Present(*address));
        true
    }

    /// The same of a function that nobody will call for the first time: its slot must not lead to
    /// the engine any more.
    pub(crate) fn lead_past_engine(&mut self, id: EntryId, slots: &Slots) {
        let slot = self.entry(id).slot;
        if let Some(slot) = slot
            && slots.is_fresh(slot)
            && !self.is_gated(id)
        {
            // A body that was made ahead waits for a first call; none will come.
            store(slots, slot, SlotStore::TakeReady);
            self.lead_to_present(id, slots);
        }
    }

    /// Has the slot of a name that is imported lead to what it stands for, whose address is known
    /// to others from now on.
    pub(crate) fn lead_to_import(
        &mut self,
        id: EntryId,
        (target, address): (EntryId, CanonicalAddr),
        slots: &Slots,
    ) {
        self.note_escaped(target);
        if let Some(slot) = self.entry(id).slot {
            store(slots, slot, SlotStore::Import(address));
        }
    }

    /// A function is called for the first time. Those of functions that were ready count
    /// themselves.
    pub(crate) fn note_first_call(&mut self, id: EntryId, slots: &Slots) {
        let entry = self.entry_mut(id);
        if !entry.address_is_stub() || entry.called {
            return;
        }
        entry.called = true;
        let was_ready = entry.is_present();
        let slot = entry.slot;
        let counted_itself =
            was_ready && slot.is_some_and(|slot| !store(slots, slot, SlotStore::TakeReady));
        if !counted_itself {
            self.counts.functions_called += 1;
        }
    }
}
