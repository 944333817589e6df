//! Removes definitions, and sets memory aside for users that were linked with it.

use std::cmp::Reverse;

use rewire_llvm::{GlobalState, Ordinal};
use rewire_memory::Slots;

use super::globals::rank;
use super::slot_stores::{SlotStore, store};
use super::{
    BlockId, Definition, Entry, EntryId, EntryKind, Ledger, LinkedBlock, State, UseAspect, UseRef,
};
use crate::base::ids::UnitKey;

impl Ledger {
    /// Removes a definition because its change has failed: afterwards the name is as if it had
    /// never been defined.
    pub(crate) fn retract(&mut self, id: EntryId, slots: &Slots) {
        self.remove_definition(id, slots);
        self.entry_mut(id).is_removed = false;
    }

    /// Drops the machine code of a function; it is compiled again when the function is next called.
    pub(crate) fn set_stale(&mut self, id: EntryId, slots: &Slots) {
        let entry = self.entry(id);
        if !entry.address_is_stub() || !entry.is_present() {
            return;
        }
        let slot = entry.slot;
        self.set_dead(id);
        let entry = self.entry_mut(id);
        entry.state = State::Absent;
        entry.is_ahead = false;
        self.note_handler_changed(id);
        self.tell_unplaced(id);
        if let Some(slot) = slot {
            store(slots, slot, SlotStore::Engine);
        }
    }

    /// Removes a name's definition. If there is another copy, it takes over; data then keeps its
    /// address and value. Otherwise nothing defines the name any more.
    pub(crate) fn remove_definition(&mut self, id: EntryId, slots: &Slots) {
        let (state, placed) = {
            let entry = self.entry(id);
            (entry.state.clone(), entry.placed)
        };
        let before = self.entry(id).elected.map(|(unit, _)| unit);
        let is_data = self.entry(id).kind != EntryKind::Function;
        if let Some((unit, ordinal)) = self.next_in_line(id) {
            let stays = is_data && placed.is_some();
            if !stays {
                self.set_dead(id);
            }
            let Some(unit) = self.unit(unit).cloned() else {
                return;
            };
            self.entry_mut(id)
                .alternatives
                .retain(|one| *one != (unit.id, ordinal));
            self.set_in_force(&unit, ordinal, id);
            if let Some(comdat) = &unit.index.globals[ordinal.index()].comdat {
                let comdats = &mut self.namespace_mut(unit.library).comdats;
                comdats.insert(comdat.clone(), unit.id);
            }
            if stays {
                self.entry_mut(id).placed = placed;
                self.set_present_if(id, state);
            }
        } else {
            self.set_aside(id);
            self.set_dead(id);
            self.set_elected(id, None);
            if let (Definition::Absolute, State::Present(address)) = {
                let entry = self.entry(id);
                (entry.definition, &entry.state)
            } {
                let address = *address;
                self.given_before.insert(id, address.addr());
            }
            let entry = self.entry_mut(id);
            entry.is_removed = entry.definition != Definition::None;
            entry.definition = Definition::None;
            entry.state = State::Absent;
            entry.is_ahead = false;
            self.lazies.remove(&id);
            self.names_version += 1;
        }
        if let Some(slot) = self.entry(id).slot {
            store(slots, slot, SlotStore::Engine);
        }
        if let Some(unit) = before {
            self.leave_if_idle(unit);
        }
    }

    /// Returns the copy that takes over: the one of the strongest linkage; among equals, that of
    /// the unit that was added first, whatever was in force meanwhile.
    fn next_in_line(&self, id: EntryId) -> Option<(UnitKey, Ordinal)> {
        let alternatives = self.entry(id).alternatives.iter().copied();
        let weight = |one: &(UnitKey, Ordinal)| {
            let record = self.record(one.0)?;
            let linkage = record.unit.index.globals[one.1.index()].linkage;
            Some((rank(linkage), Reverse(record.order)))
        };
        alternatives.max_by_key(weight)
    }

    /// Sets aside the memory of a variable, or of a function of assembly, that gets other memory.
    /// Present users keep the memory that they were linked with, under an entry of its own, which
    /// is removed when they are gone.
    pub(super) fn set_aside(&mut self, id: EntryId) {
        let entry = self.entry(id);
        if let Some(place) = entry.placed.filter(|_| entry.is_fixed()) {
            let state = entry.state.clone();
            self.set_aside_users(id, place, &state, |_| true);
        }
    }

    /// As [`Ledger::set_aside`], for some memory that a variable had, and the blocks that were
    /// linked with that memory.
    pub(super) fn set_aside_users(
        &mut self,
        id: EntryId,
        (block, place): (BlockId, u32),
        state: &State,
        belongs: impl Fn(&LinkedBlock) -> bool,
    ) {
        let entry = self.entry(id);
        // Calls through the slot follow the slot, so they aren't affected.
        let is_moved = |user: &UseRef| {
            self.blocks.get(user.block).is_some_and(|block| {
                let one = block.uses.get(user.place as usize);
                belongs(block) && one.is_none_or(|one| one.aspect != UseAspect::Slot)
            })
        };
        let (moved, kept): (Vec<UseRef>, Vec<UseRef>) =
            entry.users.iter().copied().partition(is_moved);
        if moved.is_empty() {
            return;
        }
        let mut aside = Entry::new(entry.library, entry.name.clone());
        aside.kind = entry.kind;
        aside.state = state.clone();
        aside.size = entry.size;
        aside.definition = Definition::Engine;
        aside.is_aside = true;
        let aside = self.add(aside);
        self.set_users(aside, moved);
        self.set_users(id, kept);
        if let Some(block) = self.blocks.get_mut(block) {
            match block.definitions.get_mut(place as usize) {
                Some(defined) => defined.entry = aside,
                None => block.threads_aside.push(aside),
            }
        }
    }

    /// Sets the uses of an entry.
    fn set_users(&mut self, id: EntryId, users: Vec<UseRef>) {
        for (back, user) in users.iter().enumerate() {
            let block = self.blocks.get_mut(user.block);
            if let Some(one) = block.and_then(|block| block.uses.get_mut(user.place as usize)) {
                one.entry = id;
                one.set_back(back);
            }
        }
        self.entry_mut(id).users = users;
    }

    /// Tells the extractor that a definition has no memory.
    pub(super) fn tell_unplaced(&mut self, id: EntryId) {
        if let Definition::Ir(unit, ordinal) = self.entry(id).definition
            && let Some(unit) = self.unit(unit)
        {
            let state = GlobalState {
                elected: true,
                placed: false,
            };
            unit.set_state(ordinal, state);
        }
    }
}
