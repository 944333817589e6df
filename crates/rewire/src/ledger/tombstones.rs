//! Tombstones: the stubs of removed functions whose addresses were given out.
//!
//! Such an address never becomes another function's: its stub and slot stay, and nothing else. If a
//! function of the same name is defined again, it gets the same address again, as long as the name
//! is remembered; only the most recently removed names are.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use rewire_memory::SlotId;
use rustc_hash::FxBuildHasher;

use super::{Generation, LibraryId};

/// The maximum number of names that are remembered.
const MOST_NAMES: usize = 8192;

/// The names of the most recently removed functions, and the number of all tombstones.
#[derive(Debug, Default)]
pub(super) struct Tombstones {
    count: usize,
    by_name: HashMap<(LibraryId, Arc<str>), SlotId, FxBuildHasher>,
    by_slot: HashMap<SlotId, Tombstone, FxBuildHasher>,
    /// In the order of removal; some are defined again since.
    order: VecDeque<(SlotId, u64)>,
    next: u64,
}

/// A removed function.
#[derive(Debug)]
pub(super) struct Tombstone {
    /// The library of the name; `None` for a name that only its unit knew.
    library: Option<LibraryId>,
    name: Arc<str>,
    pub(super) generation: Generation,
    number: u64,
}

impl Tombstones {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Adds a tombstone for a removed function.
    pub(super) fn add(
        &mut self,
        slot: SlotId,
        library: Option<LibraryId>,
        name: Arc<str>,
        generation: Generation,
    ) {
        self.count += 1;
        self.next += 1;
        let number = self.next;
        if let Some(library) = library {
            self.by_name.insert((library, name.clone()), slot);
        }
        let tombstone = Tombstone {
            library,
            name,
            generation,
            number,
        };
        self.by_slot.insert(slot, tombstone);
        self.order.push_back((slot, number));
        while self.order.len() > MOST_NAMES
            && let Some((slot, number)) = self.order.pop_front()
        {
            if self
                .by_slot
                .get(&slot)
                .is_some_and(|tombstone| tombstone.number == number)
            {
                self.forget(slot);
            }
        }
    }

    /// Removes the tombstone of a name that is being defined again, and returns its slot.
    pub(super) fn revive(
        &mut self,
        library: LibraryId,
        name: &Arc<str>,
    ) -> Option<(SlotId, Generation)> {
        if self.by_name.is_empty() {
            return None;
        }
        let slot = *self.by_name.get(&(library, name.clone()))?;
        self.count -= 1;
        let tombstone = self.forget(slot)?;
        Some((slot, tombstone.generation))
    }

    /// Returns the name that the function had.
    pub(super) fn name(&self, slot: SlotId) -> Option<&Arc<str>> {
        Some(&self.by_slot.get(&slot)?.name)
    }

    fn forget(&mut self, slot: SlotId) -> Option<Tombstone> {
        let tombstone = self.by_slot.remove(&slot)?;
        if let Some(library) = tombstone.library {
            let key = (library, tombstone.name.clone());
            if self.by_name.get(&key) == Some(&slot) {
                self.by_name.remove(&key);
            }
        }
        Some(tombstone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_remembered_and_all_are_counted() {
        let memory = rewire_memory::CodeMemory::reserve(Default::default()).unwrap();
        let slots = rewire_memory::Slots::new(Arc::new(memory), rewire_memory::ExecAddr::NULL);
        let mut tombstones = Tombstones::default();
        let name = |number: usize| -> Arc<str> { format!("f{number}").into() };
        let mut all = Vec::new();
        for number in 0..MOST_NAMES + 10 {
            let slot = slots.allocate().unwrap();
            all.push(slot);
            tombstones.add(slot, Some(LibraryId::MAIN), name(number), Generation(3));
        }
        assert_eq!(tombstones.len(), MOST_NAMES + 10);
        assert_eq!(tombstones.name(all[9]), None);
        assert_eq!(tombstones.name(all[10]), Some(&name(10)));
        assert_eq!(tombstones.revive(LibraryId::MAIN, &name(9)), None);
        let revived = tombstones.revive(LibraryId::MAIN, &name(10));
        assert_eq!(revived, Some((all[10], Generation(3))));
        assert_eq!(tombstones.revive(LibraryId::MAIN, &name(10)), None);
        // A function that is removed again counts as the most recent.
        tombstones.add(all[10], Some(LibraryId::MAIN), name(10), Generation(4));
        for number in 0..MOST_NAMES - 1 {
            let slot = slots.allocate().unwrap();
            tombstones.add(slot, None, name(number), Generation(1));
        }
        let revived = tombstones.revive(LibraryId::MAIN, &name(10));
        assert_eq!(revived, Some((all[10], Generation(4))));
        assert!(tombstones.by_slot.len() <= MOST_NAMES && tombstones.order.len() <= MOST_NAMES);
    }
}
