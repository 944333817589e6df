//! Enters and removes linked blocks: their definitions, and the uses of other names in them.

use std::ops::Range;

use rewire_memory::ExecAddr;

use super::linked_block::{LinkedBlock, PlacedDefinition};
use super::{BlockId, EntryId, EntryKind, Ledger, Use, UseAspect, UseRef};
use crate::base::ids::UnitKey;

/// The index of a definition that isn't in `LinkedBlock::definitions`: a thread-local variable.
const THREAD_LOCAL: u32 = u32::MAX;

/// Which definition contains a stretch of a block's bytes.
struct UsesWithin<'l> {
    id: BlockId,
    block: &'l LinkedBlock,
    range: Range<ExecAddr>,
    /// The definition, if it is in force.
    user: Option<EntryId>,
}

impl Ledger {
    /// Enters a published block and its uses.
    pub(crate) fn add_block(&mut self, mut block: LinkedBlock) -> BlockId {
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
            // Code that calls a body directly doesn't get hold of the function's address.
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

    /// Returns the number of blocks that were linked so far.
    pub(crate) fn linked_blocks(&self) -> u64 {
        self.next_block
    }

    /// Returns the blocks in the order in which they were linked.
    pub(crate) fn blocks_in_order(&self) -> impl Iterator<Item = (BlockId, &LinkedBlock)> {
        let mut blocks: Vec<_> = self.blocks.iter().collect();
        blocks.sort_unstable_by_key(|(_, block)| block.order);
        blocks.into_iter()
    }

    /// Whether anything was linked so far.
    pub(crate) fn has_linked(&self) -> bool {
        self.next_block > 0
    }

    /// Puts a definition of a block in force for its name: the one at index `place`, or, without
    /// `place`, a thread-local variable.
    pub(crate) fn set_placed(&mut self, entry: EntryId, block: BlockId, place: Option<usize>) {
        let Some(known) = self.blocks.get_mut(block) else {
            return;
        };
        known.live += 1;
        if let Some(defined) = place.and_then(|place| known.definitions.get_mut(place)) {
            defined.is_live = true;
            known.live_code += u32::from(defined.is_in(&known.memory.code));
        }
        let place = place.map_or(THREAD_LOCAL, |place| place as u32);
        self.entry_mut(entry).placed = Some((block, place));
    }

    /// As [`Ledger::set_placed`], for a definition that calls of its name don't enter.
    pub(super) fn put_place_in_force(&mut self, block: BlockId, place: u32) {
        let Some(known) = self.blocks.get_mut(block) else {
            return;
        };
        if let Some(defined) = known.definitions.get_mut(place as usize) {
            known.live += 1;
            defined.is_live = true;
            known.live_code += u32::from(defined.is_in(&known.memory.code));
        }
    }

    /// Takes what a name's calls or other uses enter out of force, but not a function's
    /// continuations: a better body of the same definition may be about to take its place. The
    /// block is retired when nothing else in it is in force.
    pub(crate) fn retire_body(&mut self, id: EntryId) {
        if let Some((block, place)) = self.entry_mut(id).placed.take() {
            self.set_place_dead(block, place);
        }
    }

    /// As [`Ledger::set_dead`], for a definition that no name stands for any more.
    pub(super) fn set_place_dead(&mut self, block: BlockId, place: u32) {
        let Some(known) = self.blocks.get_mut(block) else {
            return;
        };
        known.live -= 1;
        let mut has_left = known.live == 0;
        if let Some(defined) = known.definitions.get_mut(place as usize) {
            defined.is_live = false;
            if defined.is_in(&known.memory.code) {
                known.live_code -= 1;
                self.counts.definitions_retired += 1;
                has_left = known.live_code == 0;
            }
        }
        if has_left {
            self.retire(block);
        }
    }

    /// Makes a block belong to another unit, or to none.
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

    /// Removes the uses whose fields lie in a range of addresses, because those bytes are about to
    /// be freed.
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

    /// Forgets which values and bodies a block's code was made from, because that code is about to
    /// be freed.
    pub(super) fn forget_folds(&mut self, block: BlockId) {
        let folds = std::mem::take(&mut self.blocks[block].folds);
        for fold in folds {
            if let Some(entry) = self.entries.get_mut(fold) {
                entry.inliners.retain(|inliner| *inliner != block);
            }
        }
    }

    /// Removes one use. In the block's list and in the entry's list, the last element moves into
    /// the gap.
    fn remove_use(&mut self, block: BlockId, place: usize) {
        let gone = self.blocks[block].uses.swap_remove(place);
        if let Some(entry) = self.entries.get_mut(gone.entry) {
            let users = &mut entry.users;
            users.swap_remove(gone.back());
            let was_last = users.is_empty() && entry.mentions.is_empty();
            if let Some(moved) = users.get(gone.back()).copied() {
                let uses = &mut self.blocks[moved.block].uses;
                // If the moved use is the last one of this block's own list, that list's
                // `swap_remove` has moved it to `place`.
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

    /// Returns the entries that were set aside and whose memory lies in a block.
    pub(super) fn asides_of<'a>(
        &'a self,
        block: &'a LinkedBlock,
    ) -> impl Iterator<Item = EntryId> + 'a {
        let listed = block.definitions.iter().map(|one| one.entry);
        let all = listed.chain(block.threads_aside.iter().copied());
        all.filter(|entry| self.entry(*entry).is_aside)
    }

    /// As [`Ledger::asides_of`], but only for entries in the block's code: labels, and functions of
    /// assembly.
    pub(super) fn asides_in_code<'a>(
        &'a self,
        block: &'a LinkedBlock,
    ) -> impl Iterator<Item = EntryId> + 'a {
        let code = &block.memory.code;
        let inside = block.definitions.iter();
        let inside = inside.filter(move |one| one.is_in(code));
        let inside = inside.map(|one| one.entry);
        inside.filter(|entry| self.entry(*entry).is_aside)
    }

    pub(crate) fn block(&self, id: BlockId) -> Option<&LinkedBlock> {
        self.blocks.get(id)
    }

    /// Returns the number of bodies that are out of force but lie in a block together with bodies
    /// in force.
    pub(crate) fn definitions_beside(&self) -> u64 {
        let blocks = self
            .blocks
            .values()
            .filter(|block| block.live_code > 0 && !block.is_file);
        let beside = blocks.map(|block| {
            let code = &block.memory.code;
            let definitions = block.definitions.iter();
            let dead = definitions.filter(|one| !one.is_live && one.is_in(code));
            dead.count() as u64
        });
        beside.sum()
    }

    /// Keeps a block's code where it is, called or not.
    pub(crate) fn pin(&mut self, id: BlockId) -> bool {
        let block = self.block_mut(id);
        block.map(|block| block.pins += 1).is_some()
    }

    /// Takes one [`Ledger::pin`] back.
    pub(crate) fn unpin(&mut self, id: BlockId) {
        if let Some(block) = self.block_mut(id) {
            block.pins -= 1;
        }
    }

    /// Keeps a block's variables where they are: a client has a handle of one.
    pub(crate) fn add_handle(&mut self, id: BlockId) {
        if let Some(block) = self.block_mut(id) {
            block.handles += 1;
        }
    }

    /// Takes one [`Ledger::add_handle`] back.
    pub(crate) fn remove_handle(&mut self, id: BlockId) {
        if let Some(block) = self.block_mut(id) {
            block.handles -= 1;
        }
    }

    pub(super) fn block_mut(&mut self, id: BlockId) -> Option<&mut LinkedBlock> {
        self.blocks.get_mut(id)
    }

    /// Returns the definition that contains an address, and its block.
    pub(crate) fn definition_at(&self, address: ExecAddr) -> Option<(BlockId, PlacedDefinition)> {
        let (_, id) = self.by_code.range(..=address).next_back()?;
        let found = self.blocks[*id].definition_at(address)?;
        Some((*id, *found))
    }

    /// Returns all uses of a name by code and data in force, each with the definition that contains
    /// it.
    pub(crate) fn users(&self, id: EntryId) -> impl Iterator<Item = (Option<EntryId>, &Use)> {
        // A definition's uses of one name mostly follow one another, so that what is found out
        // for one mostly holds for the next.
        let mut found: Option<UsesWithin<'_>> = None;
        self.entry(id).users.iter().filter_map(move |user| {
            let of_block = found.as_ref().filter(|found| found.id == user.block);
            let block = match of_block {
                Some(found) => found.block,
                None => self.blocks.get(user.block)?,
            };
            let one = block.uses.get(user.place as usize)?;
            if let Some(found) = of_block.filter(|found| found.range.contains(&one.at)) {
                return found.user.map(|user| (Some(user), one));
            }
            let Some((within, end)) = block.definition_until(one.at) else {
                return (block.live > 0).then_some((None, one));
            };
            let is_in_force = self.is_in_force(user.block, within);
            let within = UsesWithin {
                id: user.block,
                block,
                range: one.at..end,
                user: is_in_force.then_some(within.entry),
            };
            let user = within.user;
            found = Some(within);
            user.map(|user| (Some(user), one))
        })
    }

    /// Whether a definition is in force, or still has users. A variable's former memory isn't if it
    /// is only kept so that a change can be undone. Nor are the local functions of a removed unit,
    /// although threads may still be in them.
    fn is_in_force(&self, block: BlockId, one: &PlacedDefinition) -> bool {
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

    /// Retires a block, none of whose code is in force any more.
    pub(crate) fn retire(&mut self, id: BlockId) {
        // The parts of an object file call and name one another in ways that the ledger doesn't
        // know of, so they leave with their unit.
        if self.block(id).is_some_and(|block| block.is_file) {
            return;
        }
        self.leaving.bytes += self.held_by_block(id);
        self.leaving.blocks.push(id);
    }

    /// Returns the number of bytes that freeing a retired block would release.
    pub(super) fn held_by_block(&self, id: BlockId) -> u64 {
        self.block(id).map_or(0, |block| match block.live {
            0 => block.memory.size(),
            _ => block.memory.code.end.get() - block.memory.code.start.get(),
        })
    }

    /// Updates the entries that point into a block, after the indices of its definitions have
    /// changed.
    pub(super) fn renumber(&mut self, id: BlockId) {
        for place in 0..self.blocks[id].definitions.len() {
            let one = self.blocks[id].definitions[place];
            // A definition that is only kept for an undoable change is not where its name points
            // now.
            if one.is_live
                && let Some((at, known)) = &mut self.entry_mut(one.entry).placed
                && *at == id
            {
                *known = place as u32;
            }
        }
    }
}
