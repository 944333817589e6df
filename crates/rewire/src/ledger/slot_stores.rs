//! The stores to slots: all of them are here, each with its reason.
//!
//! Only two others change a slot's words: the first call's assembly, which takes a body that waits
//! for it (`rewire-memory/src/entry.rs`), and nobody else. A slot is stored with the ledger's lock
//! held, so that the order of the stores is that of what the ledger says.

use rewire_memory::{ExecAddr, SlotId, Slots};

use super::{EntryId, Ledger, State};

/// Where a slot leads from now on, and why.
#[derive(Clone, Copy, Debug)]
pub(super) enum SlotStore {
    /// To the body of the definition in force; if it was made ahead, once it is called.
    Body { start: ExecAddr, is_ahead: bool },
    /// To the definition in force, whatever waits for the first call.
    Present(ExecAddr),
    /// To what another entry stands for: the name is imported.
    Import(ExecAddr),
    /// To what the host, the client or assembly has under the name.
    Given(ExecAddr),
    /// To the engine: the definition has left, or will be another when the names have moved.
    Engine,
    /// Where it leads already: only the body that waits for the first call doesn't any more,
    /// because another takes its place or the call is being counted.
    TakeReady,
    /// To nobody: no code knows the slot any more.
    Free,
    /// To the engine for ever, unless the name is defined again: somebody may know the address.
    Bury,
}

/// Stores a slot; whether a body waits for the first call, or waited for it. The only caller of the
/// slots' transitions.
pub(super) fn store(slots: &Slots, slot: SlotId, store: SlotStore) -> bool {
    tracing::trace!(slot = slot.index(), ?store);
    match store {
        SlotStore::Body { start, is_ahead } => return slots.lead(slot, start, is_ahead),
        SlotStore::Present(to) | SlotStore::Import(to) | SlotStore::Given(to) => {
            slots.retarget(slot, to);
        }
        SlotStore::Engine => slots.reset(slot),
        SlotStore::TakeReady => return slots.take_ready(slot).is_some(),
        SlotStore::Free => return slots.free(slot),
        SlotStore::Bury => slots.bury(slot),
    }
    false
}

impl Ledger {
    /// Has calls go to a body that was linked: at once, or, if it was made ahead of the first call,
    /// then.
    pub(crate) fn lead_to_body(
        &mut self,
        id: EntryId,
        start: ExecAddr,
        may_wait: bool,
        slots: &Slots,
    ) {
        let is_gated = self.is_gated(id);
        let known = self.entry_mut(id);
        let is_ahead = may_wait && !known.called && known.is_replaceable() && !is_gated;
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
        (target, address): (EntryId, ExecAddr),
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
        if !entry.is_replaceable() || entry.called {
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
