//! Slots and canonical addresses of names.

use rewire_memory::{MemoryError, SlotId, Slots};

use super::slot_stores::{SlotStore, store};
use super::{EntryId, Ledger, State};
use crate::base::addresses::CanonicalAddr;

impl Ledger {
    /// Returns the slot of a function; allocates it on first use.
    pub(crate) fn slot(&mut self, id: EntryId, slots: &Slots) -> Result<SlotId, MemoryError> {
        if let Some(slot) = self.entry(id).slot {
            return Ok(slot);
        }
        let slot = slots.allocate()?;
        self.by_slot.set(slot, id);
        let is_gated = self.is_gated(id);
        let entry = self.entry_mut(id);
        entry.slot = Some(slot);
        if let State::Present(address) = entry.state
            && !is_gated
        {
            let is_ahead = entry.is_ahead && !entry.called;
            let body = SlotStore::Body {
                start: address,
                is_ahead,
                counted: entry.counted_calls,
            };
            store(slots, slot, body);
        }
        Ok(slot)
    }

    /// Returns the canonical address of a name. A caller that gives the address to code, data or
    /// the client also calls [`Ledger::note_escaped`].
    pub(crate) fn canonical(
        &mut self,
        id: EntryId,
        slots: &Slots,
    ) -> Result<CanonicalAddr, MemoryError> {
        match self.entry(id).state {
            State::Present(address) if !self.entry(id).address_is_stub() => {
                Ok(CanonicalAddr::of_fixed(address))
            }
            _ => {
                let slot = self.slot(id, slots)?;
                Ok(CanonicalAddr::of_stub(slots.canonical(slot)))
            }
        }
    }
}
