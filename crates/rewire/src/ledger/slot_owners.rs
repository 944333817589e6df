//! Maps slots to the functions that they belong to.

use rewire_memory::SlotId;

use super::EntryId;

/// The number of consecutive slots per page. A page is freed when no slot of it has an owner.
const PIECE: usize = 256;

/// The entry of each slot that has an owner.
#[derive(Debug, Default)]
pub(super) struct SlotOwners(Vec<Option<Box<OwnerPage>>>);

#[derive(Debug)]
struct OwnerPage {
    owners: [EntryId; PIECE],
    count: usize,
}

impl SlotOwners {
    pub(super) fn get(&self, slot: SlotId) -> Option<EntryId> {
        let piece = self.0.get(slot.index() / PIECE)?.as_ref()?;
        let owner = piece.owners[slot.index() % PIECE];
        (owner != EntryId::default()).then_some(owner)
    }

    pub(super) fn set(&mut self, slot: SlotId, owner: EntryId) {
        let place = slot.index() / PIECE;
        if self.0.len() <= place {
            self.0.resize_with(place + 1, || None);
        }
        let piece = self.0[place].get_or_insert_with(|| {
            Box::new(OwnerPage {
                owners: [EntryId::default(); PIECE],
                count: 0,
            })
        });
        let known = &mut piece.owners[slot.index() % PIECE];
        piece.count += usize::from(*known == EntryId::default());
        *known = owner;
    }

    /// Removes the owner of a slot.
    pub(super) fn clear(&mut self, slot: SlotId) {
        let Some(place) = self.0.get_mut(slot.index() / PIECE) else {
            return;
        };
        let Some(piece) = place else { return };
        let known = &mut piece.owners[slot.index() % PIECE];
        piece.count -= usize::from(*known != EntryId::default());
        *known = EntryId::default();
        if piece.count == 0 {
            *place = None;
        }
    }
}
