//! Counting the calls of functions, so that those which are hot are compiled again.

use rewire_memory::{SlotId, Slots};

use super::slot_stores::{SlotStore, store};
use super::{Definition, EntryId, Ledger, State};

impl Ledger {
    /// Has the calls of a function's next body counted, `calls` of them, or not counted any more.
    /// To be called before the slot leads to the body.
    pub(crate) fn set_counted_calls(&mut self, id: EntryId, calls: Option<u32>) {
        self.entry_mut(id).counted_calls = calls;
    }

    /// Begins to count a function's calls anew, because it is too early to compile it again.
    pub(crate) fn count_again(&mut self, slot: SlotId, slots: &Slots) {
        let Some(id) = self.of_slot(slot) else {
            return;
        };
        let entry = self.entry(id);
        if let (Some(counted), State::Present(start)) = (entry.counted_calls, &entry.state)
            && !slots.is_fresh(slot)
            && !self.is_gated(id)
        {
            let counted = Some(counted);
            store(
                slots,
                slot,
                SlotStore::Present {
                    start: *start,
                    counted,
                },
            );
        }
    }

    /// Stops counting a function's calls, because there were enough. Returns the function and its
    /// definition, unless another thread has stopped counting them, or the function was changed.
    pub(crate) fn take_hot(
        &mut self,
        slot: SlotId,
        slots: &Slots,
    ) -> Option<(EntryId, Definition)> {
        let id = self.of_slot(slot)?;
        let entry = self.entry_mut(id);
        entry.counted_calls.take()?;
        let (definition, state) = (entry.definition, entry.state.clone());
        let State::Present(body) = state else {
            return None;
        };
        if !slots.is_fresh(slot) {
            store(
                slots,
                slot,
                SlotStore::Present {
                    start: body,
                    counted: None,
                },
            );
        }
        Some((id, definition))
    }
}
