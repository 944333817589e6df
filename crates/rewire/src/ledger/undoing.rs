//! Remembers what a change removed, and restores it when the change is undone.
//!
//! Restored functions are compiled again from their IR. Restored variables have their former memory
//! and values, which the engine keeps until the change is forgotten.

use rewire_memory::Slots;
use rustc_hash::FxHashSet;

use super::former_meaning::{FormerMeaning, NonIrDefinition};
use super::planned_names::PlannedNames;
use super::slot_stores::{SlotStore, store};
use super::{BlockId, Definition, EntryId, Ledger, LinkedBlock, Standing, State};
use crate::base::ids::UnitKey;

impl Ledger {
    /// Records what a name stands for now. If the change can be undone, the name's unit stays in
    /// memory, and so does the memory of a variable that gets other memory, or none.
    pub(super) fn note_former(&mut self, id: EntryId, planned: &PlannedNames) -> FormerMeaning {
        let entry = self.entry(id);
        let elected = entry.elected;
        let given = match (entry.definition, &entry.state) {
            (Definition::Absolute, State::Present(address)) => {
                Some(NonIrDefinition::Address(*address))
            }
            (Definition::Lazy, _) => self.lazies.get(&id).cloned().map(NonIrDefinition::Lazy),
            (Definition::Assembly(unit), _) => Some(NonIrDefinition::Assembly(unit)),
            _ => None,
        };
        let leaves = planned
            .targets
            .get(&id)
            .is_none_or(|one| !one.keeps_memory());
        let has_heir = !entry.alternatives.is_empty() && !planned.targets.contains_key(&id);
        let is_data = entry.is_fixed();
        let mut memory = None;
        if planned.is_remembered {
            if is_data && leaves && !has_heir {
                let state = entry.state.clone();
                memory = self
                    .entry_mut(id)
                    .placed
                    .take()
                    .map(|(block, place)| (block, place, state));
            }
            self.entry_mut(id).remembered += 1;
            if let Some(record) = elected.and_then(|(unit, _)| self.record_mut(unit)) {
                record.undo_refs += 1;
            }
        }
        FormerMeaning {
            entry: id,
            elected,
            memory,
            kept_memory: is_data && (!leaves || has_heir),
            given,
            since: self.next_block,
        }
    }

    /// Returns the bytes that are kept so that a change can be undone: of units that it removed or
    /// superseded, and of variables.
    pub(crate) fn held_by_change(&self, former: &[FormerMeaning], left: &[UnitKey]) -> u64 {
        let mut units: FxHashSet<UnitKey> = left.iter().copied().collect();
        let superseded = former.iter().filter_map(|former| former.elected);
        let superseded = superseded.filter(|(unit, _)| {
            let record = self.record(*unit);
            record.is_some_and(|record| record.in_force == 0)
        });
        units.extend(superseded.map(|(unit, _)| unit));
        let places = former.iter().filter_map(|former| former.memory.as_ref());
        let blocks: FxHashSet<BlockId> = places.map(|place| place.0).collect();
        let blocks = blocks.into_iter().filter_map(|block| self.block(block));
        let others = blocks.filter(|block| !units.contains(&block.unit));
        let variables: u64 = others.map(|block| block.memory.size()).sum();
        let units = units.iter().map(|unit| self.held_by_unit(*unit));
        variables + units.sum::<u64>()
    }

    /// Forgets what a name stood for, because the change can't be undone any more.
    pub(crate) fn forget_former(&mut self, former: &FormerMeaning) {
        if let Some((block, place)) = self.place_of(former)
            && self.entry(former.entry).placed != Some((block, place))
        {
            // Users that were linked with the former memory keep it.
            if let Some((_, _, state)) = &former.memory {
                let before = |block: &LinkedBlock| block.order < former.since;
                self.set_aside_users(former.entry, (block, place), state, before);
            }
            self.set_place_dead(block, place);
        }
        if let Some((unit, _)) = former.elected {
            if let Some(record) = self.record_mut(unit) {
                record.undo_refs -= 1;
            }
            self.leave_if_idle(unit);
        }
        let entry = self.entry_mut(former.entry);
        entry.remembered = entry.remembered.saturating_sub(1);
        self.note_if_over(former.entry);
    }

    /// Returns the block and index of a variable's former memory. The index may have changed since,
    /// because freeing a block's code renumbers its definitions.
    fn place_of(&self, former: &FormerMeaning) -> Option<(BlockId, u32)> {
        let (block, place, state) = former.memory.as_ref()?;
        let State::Present(address) = state else {
            // A thread-local variable isn't in the list.
            return Some((*block, *place));
        };
        let mut definitions = self.block(*block)?.definitions.iter();
        let is_it =
            |one: &super::PlacedDefinition| one.entry == former.entry && one.start == *address;
        let place = definitions.position(is_it)?;
        Some((*block, place as u32))
    }

    /// Gives a variable its former memory back; returns `false` if it has none.
    pub(crate) fn restore_memory(&mut self, former: &FormerMeaning) -> bool {
        if former.kept_memory {
            return self.entry(former.entry).is_present();
        }
        let (Some((block, place)), Some((_, _, state))) =
            (self.place_of(former), former.memory.clone())
        else {
            return false;
        };
        // Users that were linked with the present memory keep that.
        let now = self.entry(former.entry);
        if let Some(at) = now.placed {
            let state = now.state.clone();
            let after = |block: &LinkedBlock| block.order >= former.since;
            self.set_aside_users(former.entry, at, &state, after);
        }
        self.set_dead(former.entry);
        let entry = self.entry_mut(former.entry);
        entry.placed = Some((block, place));
        entry.state = state;
        true
    }

    /// Restores a definition that isn't IR: an address, a closure, or assembly (whose memory was
    /// restored before).
    pub(super) fn give_again(&mut self, id: EntryId, given: &NonIrDefinition, slots: &Slots) {
        let entry = self.entry(id);
        // For assembly, the memory is restored already.
        let was_assembly = matches!(entry.definition, Definition::Assembly(_));
        if entry.definition != Definition::None && !was_assembly {
            self.remove_definition(id, slots);
        }
        match given {
            NonIrDefinition::Lazy(make) => self.define_lazily(id, make.0.clone()),
            NonIrDefinition::Address(address) => {
                let entry = self.entry_mut(id);
                entry.definition = Definition::Absolute;
                entry.state = State::Present(*address);
            }
            NonIrDefinition::Assembly(unit) => {
                self.entry_mut(id).definition = Definition::Assembly(*unit);
            }
        }
        let entry = self.entry_mut(id);
        entry.is_removed = false;
        entry.generation = entry.generation.next();
        if let (Some(slot), State::Present(address)) = (entry.slot, &entry.state) {
            store(slots, slot, SlotStore::Given(*address));
        }
        self.names_version += 1;
    }

    /// Makes a removed unit loaded again.
    pub(crate) fn stand_again(&mut self, id: UnitKey) {
        if let Some(record) = self.record_mut(id)
            && record.standing == Standing::RemovedButUndoable
        {
            record.standing = Standing::UntilRemoved;
        }
    }

    /// Makes the unit removed again, because undoing its removal has failed.
    pub(crate) fn removed_again(&mut self, id: UnitKey) {
        if let Some(record) = self.record_mut(id)
            && record.standing == Standing::UntilRemoved
        {
            record.standing = Standing::RemovedButUndoable;
        }
    }

    /// Releases a unit that was kept for an undoable change.
    pub(crate) fn release_unit(&mut self, id: UnitKey) {
        if let Some(record) = self.record_mut(id) {
            record.undo_refs -= 1;
        }
        self.leave_if_idle(id);
    }

    /// Removes a unit whose copies stand in no line any more ([`Ledger::leave_the_line`]); keeps it
    /// in memory as long as the removal can be undone.
    pub(super) fn remove_unit(&mut self, id: UnitKey, is_remembered: bool) {
        if !is_remembered {
            self.leave(id);
            return;
        }
        if let Some(record) = self.record_mut(id) {
            record.standing = Standing::RemovedButUndoable;
            record.undo_refs += 1;
            let unit = record.unit.clone();
            self.free_copies_later(unit);
        }
    }

    /// Returns the functions in force whose code may contain a copy of the name's value or body.
    pub(crate) fn inliners(&self, id: EntryId) -> Vec<EntryId> {
        let blocks = self.entry(id).inliners.iter();
        let live = blocks
            .filter_map(|block| self.block(*block))
            .flat_map(|block| {
                let code = block.memory.code.clone();
                let definitions = block.definitions.iter();
                definitions.filter(move |one| one.is_live && one.is_in(&code))
            });
        live.map(|one| one.entry).collect()
    }

    /// Removes names that were entered for a failed change, if nothing mentions them.
    pub(crate) fn forget_unused(&mut self, ids: &[EntryId]) {
        for id in ids {
            self.note_if_over(*id);
        }
    }
}
