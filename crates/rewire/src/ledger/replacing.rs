//! Puts a change's definitions in force while the program runs.
//!
//! A change is first planned: which name will stand for what. Everything is compiled and linked
//! according to the plan, while the ledger still shows the former definitions. Then all names are
//! put in force in one step, under the lock, together with their slots. If a change replaces
//! several functions, no thread calls a new one first and a former one afterwards: before the first
//! slot leads to a new body, all slots lead to the engine, where callers wait for the lock.

use rewire_memory::Slots;

use super::planned_names::{PlannedNames, PlannedTarget};
use super::slot_stores::{SlotStore, store};
use super::{Definition, EntryId, EntryKind, FormerMeaning, Ledger, ThreadKey};

impl Ledger {
    /// Claims names for a change by this thread, all or none. On failure, returns the first name
    /// that another thread is changing.
    pub(crate) fn claim_names(&mut self, ids: &[EntryId]) -> Result<(), EntryId> {
        let me = ThreadKey::mine();
        let is_taken = |id: &&EntryId| self.entry(**id).changing.is_some();
        if let Some(taken) = ids.iter().find(is_taken) {
            return Err(*taken);
        }
        for id in ids {
            self.entry_mut(*id).changing = Some(me);
        }
        Ok(())
    }

    /// Releases the names that this thread claimed.
    pub(crate) fn release_names(&mut self, ids: &[EntryId]) {
        let me = ThreadKey::mine();
        for id in ids {
            let entry = self.entry_mut(*id);
            if entry.changing == Some(me) {
                entry.changing = None;
                self.note_if_over(*id);
            }
        }
    }

    /// Points the slots of all changed functions at the engine, so that from here on none of
    /// several functions is called by its former body. To be called before the slots of new bodies
    /// are stored, under the same hold of the lock as [`Ledger::put_in_force`].
    pub(crate) fn hold_back(&mut self, planned: &PlannedNames, slots: &Slots) {
        if planned.is_gated {
            self.close_gate(planned);
        }
        // Loops in bodies that are out of force already hold copies too.
        for id in planned.changed() {
            self.note_copies_stale(*id);
        }
        let late = self.late_inliners(planned);
        let all = planned.changed().chain(planned.only_stale()).chain(&late);
        let mut several = planned.is_gated || all.clone().count() > 1;
        for id in all {
            let entry = self.entry(*id);
            let Some(slot) = entry.slot else { continue };
            // A single function needs no detour: one store switches it when its body is entered.
            several |= !entry.is_present();
            store(slots, slot, SlotStore::TakeReady);
            if several {
                store(slots, slot, SlotStore::Engine);
            }
        }
    }

    /// Puts the planned definitions in force, once the slots of new bodies are stored. The new
    /// bodies are entered afterwards, under the same hold of the lock. Returns what is needed to
    /// undo the change.
    ///
    /// `arriving` are the functions whose new bodies are entered, sorted.
    pub(crate) fn put_in_force(
        &mut self,
        planned: &PlannedNames,
        arriving: &[EntryId],
        slots: &Slots,
    ) -> Vec<FormerMeaning> {
        let mut former = Vec::new();
        let mut imported = Vec::new();
        let late = self.late_inliners(planned);
        for id in planned.changed() {
            former.push(self.note_former(*id, planned));
            // Calls from other libraries bypass an alias and go to its target.
            if matches!(self.entry(*id).definition, Definition::Alias(..)) {
                imported.extend(self.importers(*id));
            }
        }
        for id in &planned.order {
            let loser = self.entry(*id).elected;
            let arrives = arriving.binary_search(id).is_ok();
            self.move_one(*id, planned.targets[id], arrives, slots);
            if let Some(loser) = loser.filter(|_| planned.overridden.contains(id)) {
                self.note_overridden(*id, loser);
            }
        }
        for (id, given) in &planned.given {
            self.give_again(*id, given, slots);
        }
        // Copies of units that leave take over from nobody.
        for unit in &planned.leaving {
            self.leave_the_line(*unit);
        }
        for id in planned.withdrawn.iter() {
            self.remove_definition(*id, slots);
        }
        for (id, unit) in &planned.assembly {
            let entry = self.entry_mut(*id);
            entry.definition = Definition::Assembly(*unit);
            entry.generation = entry.generation.next();
            entry.is_removed = false;
        }
        for id in planned.only_stale().chain(&late) {
            self.set_stale(*id, slots);
        }
        for id in imported {
            if let Some(slot) = self.entry(id).slot {
                store(slots, slot, SlotStore::Engine);
            }
        }
        for unit in &planned.leaving {
            self.remove_unit(*unit, planned.is_remembered);
        }
        former
    }

    /// Returns the functions that hold a copy of what the change replaces and that were linked
    /// since it was planned. Frozen code isn't among them: it holds copies of its own unit only,
    /// which is replaced as a whole or not at all.
    fn late_inliners(&self, planned: &PlannedNames) -> Vec<EntryId> {
        let replaced = planned.changed().filter(|id| {
            let target = planned.targets.get(*id);
            !self.entry(**id).inliners.is_empty() && target.is_none_or(|it| !it.keeps_memory())
        });
        let inliners = replaced.flat_map(|id| self.inliners(*id));
        let mut late: Vec<EntryId> = inliners
            .filter(|id| {
                let entry = self.entry(*id);
                entry.kind == EntryKind::Function
                    && !planned.targets.contains_key(id)
                    && !planned.stale.contains(*id)
                    && self.frozen_unit(*id).is_none()
            })
            .collect();
        late.sort_unstable();
        late.dedup();
        late
    }

    fn move_one(&mut self, id: EntryId, target: PlannedTarget, arrives: bool, slots: &Slots) {
        let Some(unit) = self.unit(target.unit).cloned() else {
            return;
        };
        let (state, placed) = {
            let entry = self.entry(id);
            (entry.state.clone(), entry.placed)
        };
        if !target.keeps_memory() {
            self.set_aside(id);
            self.set_dead(id);
        }
        let before = self.set_in_force(&unit, target.ordinal, id);
        self.entry_mut(id).is_ahead = false;
        self.note_handler_changed(id);
        if target.keeps_memory() {
            let entry = self.entry_mut(id);
            entry.placed = placed;
            self.set_present_if(id, state);
        } else if let Some(slot) = self.entry(id).slot
            && !arrives
        {
            // The slot of an alias leads to its target.
            store(slots, slot, SlotStore::Engine);
        }
        if let Some((unit, _)) = before {
            if let Some(record) = self.record_mut(unit) {
                record.is_superseded = true;
            }
            self.leave_if_idle(unit);
        }
    }
}
