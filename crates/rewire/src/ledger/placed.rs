//! What was linked, where it lies, and who uses what from where.

use std::ops::Range;

use rewire_memory::unwind::UnwindRegistration;
use rewire_memory::{ExecAddr, RegionKind};

use super::{BlockId, EntryId, EntryKind, FrameCounts, Ledger, Use, UseAspect, UseRef};
use crate::ids::UnitKey;

/// Where the three segments of a linked object lie; each may be empty.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    pub(crate) code: Range<ExecAddr>,
    pub(crate) read_only: Range<ExecAddr>,
    pub(crate) data: Range<ExecAddr>,
    /// Where the read-only segment is: descriptions of frames may lie behind their code.
    pub(crate) read_only_kind: RegionKind,
}

/// What was linked and published in one step.
#[derive(Debug)]
pub(crate) struct Block {
    /// The unit whose IR it was made of, or that has what is still in force of it.
    pub(crate) unit: UnitKey,
    /// Counts up with each block.
    pub(crate) order: u64,
    /// Its place in the unit's list of blocks.
    pub(crate) place: usize,
    pub(crate) memory: Memory,
    /// By address; without thread-local variables, which each thread has elsewhere.
    pub(crate) definitions: Vec<Defined>,
    pub(crate) uses: Vec<Use>,
    /// What makes its frames known to the unwinder.
    pub(crate) unwind: Option<UnwindRegistration>,
    /// Constants whose values the code may have been made with, though it doesn't name them.
    pub(crate) folds: Vec<EntryId>,
    /// The number of its thread-local variables' module.
    pub(crate) thread_module: Option<u64>,
    /// Thread-local variables here that no name stands for any more, and that were set aside for
    /// who uses them.
    pub(crate) threads_aside: Vec<EntryId>,
    /// Where the frames of the coroutines are counted whose parts are here.
    pub(crate) frame_counts: Option<FrameCounts>,
    /// How many definitions in force have code here.
    pub(crate) live_code: u32,
    /// How many definitions in force are here, thread-local variables among them.
    pub(crate) live: u32,
    /// How many clients hold its code where it is.
    pub(crate) pins: u32,
    /// It has labels that may be asked for ([`super::labels`]).
    pub(crate) has_labels: bool,
    /// How many clients hold its variables where they are.
    pub(crate) handles: u32,
}

impl Memory {
    /// How many bytes it is.
    pub(crate) fn size(&self) -> u64 {
        let ranges = [&self.code, &self.read_only, &self.data];
        ranges
            .iter()
            .map(|range| range.end.get() - range.start.get())
            .sum()
    }
}

impl Block {
    /// The definition whose bytes an address is in.
    pub(crate) fn definition_at(&self, address: ExecAddr) -> Option<&Defined> {
        let after = self.definitions.partition_point(|one| one.start <= address);
        let mut before = self.definitions[..after].iter().rev();
        before.find(|one| one.range().contains(&address) || one.start == address)
    }
}

/// Stands for a place in a block's list of definitions, of one that isn't in it.
const THREAD_LOCAL: u32 = u32::MAX;

/// A definition that a block holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Defined {
    pub(crate) entry: EntryId,
    pub(crate) start: ExecAddr,
    pub(crate) size: u64,
    /// It is the one in force.
    pub(crate) is_live: bool,
}

impl Defined {
    pub(crate) fn range(&self) -> Range<ExecAddr> {
        self.start..self.start + self.size
    }
}

impl Ledger {
    /// Enters a published block with its uses.
    pub(crate) fn add_block(&mut self, mut block: Block) -> BlockId {
        block.order = self.next_block;
        self.next_block += 1;
        let id = self.blocks.insert(block);
        let block = &mut self.blocks[id];
        for (place, one) in block.uses.iter_mut().enumerate() {
            let Some(entry) = self.entries.get_mut(one.entry) else {
                continue;
            };
            one.set_back(entry.users.len());
            entry.users.push(UseRef {
                block: id,
                place: place as u32,
            });
            // Who calls a body directly doesn't know the function's address.
            entry.has_escaped |= one.aspect == UseAspect::Address;
        }
        for fold in &block.folds {
            if let Some(entry) = self.entries.get_mut(*fold) {
                entry.inliners.push(id);
            }
        }
        if !block.memory.code.is_empty() {
            self.by_code.insert(block.memory.code.start, id);
        }
        if let Some(record) = self.units.get_mut(block.unit) {
            block.place = record.blocks.len();
            record.blocks.push(id);
        }
        id
    }

    /// A definition of a block is the one in force of its name from now on: the one at a place in
    /// its list, or a thread-local variable.
    pub(crate) fn set_placed(&mut self, entry: EntryId, block: BlockId, place: Option<usize>) {
        let Some(known) = self.blocks.get_mut(block) else {
            return;
        };
        known.live += 1;
        if let Some(defined) = place.and_then(|place| known.definitions.get_mut(place)) {
            defined.is_live = true;
            known.live_code += u32::from(known.memory.code.contains(&defined.start));
        }
        let place = place.map_or(THREAD_LOCAL, |place| place as u32);
        self.entry_mut(entry).placed = Some((block, place));
    }

    /// The definition in force of a name leaves: whatever it is in goes when nothing else is in
    /// force there.
    pub(super) fn set_dead(&mut self, id: EntryId) {
        if let Some((block, place)) = self.entry_mut(id).placed.take() {
            self.set_place_dead(block, place);
        }
    }

    /// The same of a definition that no name stands for any more.
    pub(super) fn set_place_dead(&mut self, block: BlockId, place: u32) {
        let Some(known) = self.blocks.get_mut(block) else {
            return;
        };
        known.live -= 1;
        let mut has_left = known.live == 0;
        if let Some(defined) = known.definitions.get_mut(place as usize) {
            defined.is_live = false;
            if known.memory.code.contains(&defined.start) {
                known.live_code -= 1;
                self.counts.definitions_retired += 1;
                has_left = known.live_code == 0;
            }
        }
        if has_left {
            self.retire(block);
        }
    }

    /// Gives a block to another unit, or to none.
    pub(super) fn move_block(&mut self, id: BlockId, to: Option<UnitKey>) {
        let Some(block) = self.blocks.get_mut(id) else {
            return;
        };
        let (from, place) = (block.unit, block.place);
        if let Some(record) = self.units.get_mut(from) {
            record.blocks.swap_remove(place);
            if let Some(moved) = record.blocks.get(place) {
                self.blocks[*moved].place = place;
            }
        }
        if let Some(to) = to
            && let Some(record) = self.units.get_mut(to)
        {
            let block = &mut self.blocks[id];
            block.unit = to;
            block.place = record.blocks.len();
            record.blocks.push(id);
        }
    }

    /// Takes the uses in a range of addresses out of the ledger, because the bytes leave.
    pub(super) fn forget_uses(&mut self, block: BlockId, within: &Range<ExecAddr>) {
        let mut place = 0;
        while let Some(one) = self.blocks[block].uses.get(place) {
            if within.contains(&one.at) {
                self.remove_use(block, place);
            } else {
                place += 1;
            }
        }
    }

    /// Takes out one use; the last one of each list moves into the gap.
    fn remove_use(&mut self, block: BlockId, place: usize) {
        let gone = self.blocks[block].uses.swap_remove(place);
        if let Some(entry) = self.entries.get_mut(gone.entry) {
            let users = &mut entry.users;
            users.swap_remove(gone.back());
            let was_last = users.is_empty() && entry.mentions.is_empty();
            if let Some(moved) = users.get(gone.back()).copied() {
                let uses = &mut self.blocks[moved.block].uses;
                // The use that moved within the block's own list is found at its new place below.
                let at = if moved.block == block && moved.place as usize == uses.len() {
                    place
                } else {
                    moved.place as usize
                };
                uses[at].set_back(gone.back());
            }
            if was_last {
                self.note_if_over(gone.entry);
            }
        }
        if let Some(moved) = self.blocks[block].uses.get(place) {
            let (entry, back) = (moved.entry, moved.back());
            if let Some(entry) = self.entries.get_mut(entry) {
                entry.users[back].place = place as u32;
            }
        }
    }

    /// What is in a block and was set aside for who uses it.
    pub(super) fn asides_of<'a>(&'a self, block: &'a Block) -> impl Iterator<Item = EntryId> + 'a {
        let listed = block.definitions.iter().map(|one| one.entry);
        let all = listed.chain(block.threads_aside.iter().copied());
        all.filter(|entry| self.entry(*entry).is_aside)
    }

    pub(crate) fn block(&self, id: BlockId) -> Option<&Block> {
        self.blocks.get(id)
    }

    /// How many bodies aren't in force and lie in one piece with others that are.
    pub(crate) fn definitions_beside(&self) -> u64 {
        let blocks = self.blocks.values().filter(|block| block.live_code > 0);
        let beside = blocks.map(|block| {
            let code = &block.memory.code;
            let definitions = block.definitions.iter();
            let dead = definitions.filter(|one| !one.is_live && code.contains(&one.start));
            dead.count() as u64
        });
        beside.sum()
    }

    pub(crate) fn block_mut(&mut self, id: BlockId) -> Option<&mut Block> {
        self.blocks.get_mut(id)
    }

    /// The definition whose bytes an address is in, with its block.
    pub(crate) fn definition_at(&self, address: ExecAddr) -> Option<(BlockId, Defined)> {
        let (_, id) = self.by_code.range(..=address).next_back()?;
        let found = self.blocks[*id].definition_at(address)?;
        Some((*id, *found))
    }

    /// All uses of a name by what is in force, each with the definition that contains it.
    pub(crate) fn users(&self, id: EntryId) -> impl Iterator<Item = (Option<EntryId>, &Use)> {
        self.entry(id).users.iter().filter_map(|user| {
            let block = self.blocks.get(user.block)?;
            let one = block.uses.get(user.place as usize)?;
            match block.definition_at(one.at) {
                Some(within) if !self.is_in_force(user.block, within) => None,
                Some(within) => Some((Some(within.entry), one)),
                None => (block.live > 0).then_some((None, one)),
            }
        })
    }

    /// Whether a definition is what its name stands for, or has users yet. A variable's former
    /// memory may only be kept for a change to be undone; so may the own functions of a unit that
    /// was removed, and threads may still be in them.
    fn is_in_force(&self, block: BlockId, one: &Defined) -> bool {
        let entry = self.entry(one.entry);
        let unit = entry.elected.and_then(|(unit, _)| self.record(unit));
        if unit.is_some_and(|unit| unit.standing.is_removed()) {
            return false;
        }
        let is_elsewhere = entry.kind == EntryKind::Data
            && !entry.is_aside
            && entry.placed.is_none_or(|(at, _)| at != block);
        one.is_live && !is_elsewhere
    }
}
