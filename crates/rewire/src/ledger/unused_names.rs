//! Names that nobody names any more, and that stand for nothing.
//!
//! A name that no unit's IR mentions, that no code in memory uses and that nothing defines is taken
//! out with all that is known of it. A thread may be in its stub, on the way into the engine, so
//! one that has a stub is first looked for on all stacks, as code that has left is.

use std::sync::Arc;

use rewire_memory::Slots;

use super::slot_stores::{SlotStore, store};
use super::{Definition, EntryId, Freed, Ledger, Retired, RetiredItem, State};

impl Ledger {
    /// Whether nobody needs an entry. What only one unit's IR knows is needed as long as that unit
    /// is there.
    pub(super) fn is_over(&self, id: EntryId, is_local: bool) -> bool {
        let Some(entry) = self.entries.get(id) else {
            return false;
        };
        let stands_for_nothing = match entry.definition {
            Definition::None => true,
            // Another library's, as long as somebody names it.
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

    /// Has a name taken out at the next opportunity, if nobody needs it.
    pub(super) fn note_if_over(&mut self, id: EntryId) {
        if self.is_over(id, false) {
            self.leaving.names.push(id);
        }
    }

    /// Takes the names out that nobody needs and that have no stub.
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

    /// The others, to be looked for.
    pub(super) fn retired_names(&mut self, slots: &Slots) -> Vec<Retired> {
        self.leaving.names.sort_unstable();
        self.leaving.names.dedup();
        let nothing: Arc<str> = Arc::from("");
        let names = self.leaving.names.iter().filter_map(|id| {
            let slot = self.entries.get(*id)?.slot?;
            Some(Retired {
                what: RetiredItem::Name(*id),
                code: Vec::new(),
                stubs: vec![slots.inside_stub(slot)],
                slots: vec![slot],
                label: nothing.clone(),
                kept_by: None,
                frames_begun: 0,
                handed_out: 0,
            })
        });
        names.collect()
    }

    /// Takes an entry out that nobody names. An address that was given out stays the function's:
    /// its slot is never another's.
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
        self.given_before.remove(&id);
        freed.entries.push(id);
        if let Some(front) = front {
            self.entries.remove(front);
        }
        self.forget_name(id);
    }

    /// Names of other libraries that stand for one that is taken out stand for nothing: if it is
    /// defined again, they find it anew.
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
