//! Points the slots of functions at their targets.

use rewire_memory::Slots;

use super::slot_stores::{SlotStore, store};
use super::{EntryId, Ledger, State};
use crate::base::addresses::{BodyAddr, CanonicalAddr};

impl Ledger {
    /// Makes calls go to a newly linked body: at once, or, if the body was compiled ahead of the
    /// first call, from the first call on.
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
            let body = SlotStore::Body {
                start,
                is_ahead,
                counted: known.counted_calls,
            };
            store(slots, slot, body);
        }
        self.counts.compiled_ahead += u64::from(is_ahead);
    }

    /// Makes calls go to the definition in force, if it is in memory; returns whether it is. Needed
    /// for a function that was compiled ahead, or that was replaced while it was being compiled.
    pub(crate) fn lead_to_present(&mut self, id: EntryId, slots: &Slots) -> bool {
        let entry = self.entry(id);
        let (Some(slot), State::Present(address)) = (entry.slot, &entry.state) else {
            return false;
        };
        let body = SlotStore::Present {
            start: *address,
            counted: entry.counted_calls,
        };
        store(slots, slot, body);
        true
    }

    /// As [`Ledger::lead_to_present`], for a function whose first-call entry will never be taken,
    /// so its slot must no longer lead to the engine.
    pub(crate) fn lead_past_engine(&mut self, id: EntryId, slots: &Slots) {
        let slot = self.entry(id).slot;
        if let Some(slot) = slot
            && slots.is_fresh(slot)
            && !self.is_gated(id)
        {
            // A body that was compiled ahead waits beside the slot for a first call, which won't
            // come.
            store(slots, slot, SlotStore::TakeReady);
            self.lead_to_present(id, slots);
        }
    }

    /// Points the slot of an imported name at the address of what the name stands for. That address
    /// counts as given out from now on.
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

    /// Records the first call of a function. If a compiled body was waiting for the call, the
    /// first-call entry has counted the call itself.
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
