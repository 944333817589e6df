//! Removes names that nothing mentions, uses or defines any more.
//!
//! A name that no unit's IR mentions, no code in memory uses and nothing defines is removed with
//! its entry. If it has a stub, a thread may be in that stub, on the way into the engine; so all
//! stacks are first scanned for it, as for retired code.

use std::sync::Arc;

use rewire_memory::Slots;

use super::slot_stores::{SlotStore, store};
use super::{Definition, EntryId, Freed, Ledger, Retired, RetiredItem, State};

impl Ledger {
    /// Whether nothing needs an entry. A local is needed as long as its unit exists.
    pub(super) fn is_over(&self, id: EntryId, is_local: bool) -> bool {
        let Some(entry) = self.entries.get(id) else {
            return false;
        };
        let stands_for_nothing = match entry.definition {
            Definition::None => true,
            // An import, which is needed only while something names it.
            Definition::Alias(..) => entry.elected.is_none(),
            _ => false,
        };
        entry.mentions.is_empty()
            && entry.users.is_empty()
            && entry.changing.is_none()
            && !entry.is_aside
            && entry.remembered == 0
            && !matches!(entry.state, State::Pending(_))
            && (is_local || stands_for_nothing && entry.alternatives.is_empty())
    }

    /// Schedules a name to be removed, if nothing needs it.
    pub(super) fn note_if_over(&mut self, id: EntryId) {
        if self.is_over(id, false) {
            self.leaving.names.push(id);
        }
    }

    /// Removes the names that nothing needs and that have no stub.
    pub(crate) fn free_names(&mut self, slots: &Slots) -> Freed {
        let mut freed = Freed::default();
        let names = std::mem::take(&mut self.leaving.names);
        for id in names {
            if !self.is_over(id, false) {
                continue;
            }
            match self.entry(id).slot {
                None => self.free_entry(id, slots, &mut freed),
                Some(_) => self.leaving.names.push(id),
            }
        }
        freed
    }

    /// Returns the names that nothing needs and that have a stub, to be scanned for.
    pub(super) fn retired_names(&mut self, slots: &Slots) -> Vec<Retired> {
        self.leaving.names.sort_unstable();
        self.leaving.names.dedup();
        let nothing: Arc<str> = Arc::from("");
        let names = self.leaving.names.iter().filter_map(|id| {
            let slot = self.entries.get(*id)?.slot?;
            Some(Retired {
                what: RetiredItem::Name(*id),
                code: Vec::new(),
                stubs: slots.ways_in(slot),
                slots: vec![slot],
                label: nothing.clone(),
                kept_by: None,
                frames_begun: 0,
                handed_out: 0,
            })
        });
        names.collect()
    }

    /// Removes an entry that nothing names. If its address was given out, the slot is never given
    /// to another name: it becomes a tombstone.
    pub(super) fn free_entry(&mut self, id: EntryId, slots: &Slots, freed: &mut Freed) {
        self.forget_imports(id, slots);
        let entry = self.entry(id);
        let (slot, front) = (entry.slot, entry.prefixed_stub);
        if let Some(slot) = slot {
            if entry.has_escaped {
                let known = self.namespace(entry.library).entry(&entry.name);
                let library = (known == Some(id)).then_some(entry.library);
                let (name, generation) = (entry.label().into(), entry.generation);
                self.tombstones.add(slot, library, name, generation);
                store(slots, slot, SlotStore::EngineForEver);
            } else {
                store(slots, slot, SlotStore::Free);
            }
            self.by_slot.clear(slot);
        }
        self.lazies.remove(&id);
        self.fixed_levels.remove(&id);
        self.handlers.forget(id);
        self.given_before.remove(&id);
        freed.entries.push(id);
        if let Some(front) = front {
            self.entries.remove(front);
        }
        self.forget_name(id);
    }

    /// Resets the names of other libraries that import a name which is being removed. If the name
    /// is defined again, they look it up anew.
    fn forget_imports(&mut self, id: EntryId, slots: &Slots) {
        for importer in self.importers(id) {
            let entry = self.entry_mut(importer);
            if entry.elected.is_some()
                || !matches!(entry.definition, Definition::Alias(to, _) if to == id)
            {
                continue;
            }
            entry.definition = Definition::None;
            if let Some(slot) = entry.slot {
                store(slots, slot, SlotStore::Engine);
            }
        }
    }
}
