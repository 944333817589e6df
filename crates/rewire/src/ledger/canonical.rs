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
        self.give_slot(id, slot, slots);
        Ok(slot)
    }

    /// Gives names the slots that they had in an earlier run: of the slots from the first on, which
    /// are all new. Returns whether that was possible.
    pub(crate) fn restore_slots(
        &mut self,
        count: u32,
        names: impl Iterator<Item = (u32, EntryId)>,
        slots: &Slots,
    ) -> bool {
        let mut of_slots = vec![None; count as usize];
        for (slot, id) in names {
            of_slots[slot as usize] = Some(id);
        }
        let mut unused = Vec::new();
        for (number, id) in of_slots.into_iter().enumerate() {
            let slot = slots.allocate();
            let Some(slot) = slot.ok().filter(|slot| slot.index() == number) else {
                return false;
            };
            match id {
                Some(id) => self.give_slot(id, slot, slots),
                None => unused.push(slot),
            }
        }
        for slot in unused {
            store(slots, slot, SlotStore::Free);
        }
        true
    }

    fn give_slot(&mut self, id: EntryId, slot: SlotId, slots: &Slots) {
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
