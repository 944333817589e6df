//! Removes from the ledger what was retired and no thread is in: code, blocks, units, names.
//!
//! Entries that were set aside in a block ([`super::placed`]) are removed together with the bytes
//! that they stand for. Those bytes stay as long as something that stays names them.

use rewire_llvm::CoroutinePart;

use rewire_memory::{CodeMemory, ExecAddr, RegionKind, Slots};
use rustc_hash::FxHashSet;
use smallvec::SmallVec;

use super::retired::{Freed, Retired, RetiredItem};
use super::{BlockId, BlockMemory, Definition, EntryId, Ledger, Standing};
use crate::base::ids::UnitKey;
use crate::base::told_load::ToldLoad;

impl Ledger {
    /// Removes the `clean` items. An item stays if coroutines began in it, or calls were sent into
    /// it, since it was listed as retired: the scan may have passed the thread before it resumed
    /// the coroutine or made the call.
    pub(crate) fn free(&mut self, clean: &[Retired], slots: &Slots, memory: &CodeMemory) -> Freed {
        let mut freed = Freed::default();
        let looked_at = clean.iter().flat_map(|piece| &piece.slots);
        freed.looked_at = looked_at.copied().collect();
        let mut units = FxHashSet::default();
        for piece in clean {
            match piece.what {
                RetiredItem::Block(id) => {
                    let block = self.block(id);
                    let frames = block.map(|block| self.frames_of_block(block, memory));
                    if frames.is_some_and(|frames| frames.begun == piece.frames_begun) {
                        self.free_code(id, &mut freed);
                    }
                }
                RetiredItem::Unit(id) => {
                    // Meanwhile its bodies may have called functions for the first time, which were
                    // then linked into more blocks.
                    let code = self.record(id).map_or(0, |record| {
                        let blocks = record.blocks.iter().map(|block| &self.blocks[*block]);
                        blocks.filter(|block| !block.memory.code.is_empty()).count()
                    });
                    let unit = self.unit(id);
                    let frames = unit.map(|unit| self.frames_of_unit(unit, memory));
                    let handed_out = self.record(id).map(|record| record.handed_out);
                    if code == piece.code.len()
                        && handed_out == Some(piece.handed_out)
                        && frames.is_some_and(|frames| frames.begun == piece.frames_begun)
                    {
                        units.insert(id);
                    }
                }
                RetiredItem::Name(id) => {
                    if self.is_over(id, false) {
                        self.free_entry(id, slots, &mut freed);
                    }
                }
            }
        }
        for id in self.unneeded(&units, memory) {
            self.free_unit(id, slots, &mut freed);
        }
        self.leaving.units.retain(|id| self.units.contains_key(*id));
        self.leaving.blocks.retain(|id| {
            let block = self.blocks.get(*id);
            block.is_some_and(|block| !block.memory.code.is_empty() || block.live == 0)
        });
        let is_alone = |block: &&BlockId| {
            let record = self.record(self.blocks[**block].unit);
            record.is_none_or(|record| record.standing != Standing::Leaving)
        };
        let blocks = self.leaving.blocks.iter().filter(is_alone);
        let units = self.leaving.units.iter();
        self.leaving.bytes = blocks.map(|id| self.held_by_block(*id)).sum::<u64>()
            + units.map(|id| self.held_by_unit(*id)).sum::<u64>();
        freed
    }

    /// Removes the units of a change that failed. Nothing of them was ever in force, so no thread
    /// is in a unit of which nothing was linked; those are freed at once.
    pub(crate) fn free_refused(
        &mut self,
        units: &[UnitKey],
        slots: &Slots,
        memory: &CodeMemory,
    ) -> Freed {
        let before = self.leaving.units.len();
        for id in units {
            self.leave(*id);
        }
        let is_unlinked = |id: &UnitKey| self.record(*id).is_some_and(|it| it.blocks.is_empty());
        let unlinked = units.iter().copied().filter(is_unlinked).collect();
        let mut freed = Freed::default();
        for id in self.unneeded(&unlinked, memory) {
            self.leaving.bytes = self.leaving.bytes.saturating_sub(self.held_by_unit(id));
            self.free_unit(id, slots, &mut freed);
        }
        let left = self.leaving.units.split_off(before);
        let stay = left.into_iter().filter(|id| self.units.contains_key(*id));
        self.leaving.units.extend(stay);
        freed
    }

    /// Takes what listeners have to be told when the engine is dropped, in the order of linking.
    pub(crate) fn take_told(&mut self) -> Vec<ToldLoad> {
        let mut blocks: Vec<_> = self.blocks.values_mut().collect();
        blocks.sort_unstable_by_key(|block| block.order);
        blocks
            .into_iter()
            .filter_map(|block| block.told.take().map(|told| *told))
            .collect()
    }

    /// Returns what keeps a retired block in memory that no thread is in.
    pub(crate) fn namer_of_block(&self, id: BlockId) -> Option<String> {
        Some(self.describe_namer(self.namer_of_code(id)?))
    }

    /// Removes the code of a block; removes the whole block if nothing else of it is in force or
    /// named.
    pub(super) fn free_code(&mut self, id: BlockId, freed: &mut Freed) {
        let Some(block) = self.blocks.get(id) else {
            return;
        };
        if block.live_code > 0 || block.pins > 0 {
            return;
        }
        let is_code = |one: &&super::PlacedDefinition| one.is_in(&block.memory.code);
        let is_named = |aside: EntryId| {
            let mut users = self.entry(aside).users.iter();
            users.any(|user| user.block != id)
        };
        let is_needed = block.handles > 0 || self.asides_of(block).any(is_named);
        if block.live == 0 && !is_needed {
            self.free_block(id, freed);
            return;
        }
        if block.memory.code.is_empty() || self.namer_of_code(id).is_some() {
            return;
        }
        let bodies = block.definitions.iter().filter(is_code).count() as u64;
        let asides: SmallVec<[EntryId; 4]> = self.asides_in_code(block).collect();
        self.forget_labels(id);
        let Some(block) = self.blocks.get_mut(id) else {
            return;
        };
        self.counts.definitions_freed += bodies;
        let start = block.memory.code.start;
        let code = std::mem::replace(&mut block.memory.code, start..start);
        block.definitions.retain(|one| !one.is_in(&code));
        freed.unwind.extend(block.unwind.take());
        freed.told.extend(block.told.take().map(|told| *told));
        self.renumber(id);
        self.by_code.remove(&start);
        self.forget_uses(id, &code);
        self.forget_folds(id);
        for aside in asides {
            self.entries.remove(aside);
        }
        freed.memory.push((RegionKind::Code, code));
    }

    /// Returns a use that keeps set-aside code of a block in memory, and the name that it uses.
    pub(super) fn namer_of_code(&self, id: BlockId) -> Option<(BlockId, EntryId)> {
        let block = self.blocks.get(id)?;
        self.asides_in_code(block).find_map(|aside| {
            let mut users = self.entry(aside).users.iter();
            let stays = users.find(|user| {
                let one = block.uses.get(user.place as usize);
                user.block != id || one.is_some_and(|one| !block.memory.code.contains(&one.at))
            });
            Some((stays?.block, aside))
        })
    }

    /// Removes a block of which nothing is in force.
    pub(super) fn free_block(&mut self, id: BlockId, freed: &mut Freed) {
        let everywhere = ExecAddr::NULL..ExecAddr::new(u64::MAX);
        self.forget_uses(id, &everywhere);
        self.forget_folds(id);
        self.forget_labels(id);
        self.move_block(id, None);
        let Some(mut block) = self.blocks.remove(id) else {
            return;
        };
        freed.told.extend(block.told.take().map(|told| *told));
        self.kept_blocks.remove(&id);
        if !block.memory.code.is_empty() {
            self.by_code.remove(&block.memory.code.start);
        }
        let is_code = |one: &&super::PlacedDefinition| one.is_in(&block.memory.code);
        self.counts.definitions_freed += block.definitions.iter().filter(is_code).count() as u64;
        let BlockMemory {
            mut code,
            mut read_only,
            data,
            read_only_kind,
        } = block.memory.clone();
        if read_only_kind == RegionKind::Code && code.end == read_only.start {
            code.end = read_only.end;
            read_only.start = read_only.end;
        }
        for (kind, range) in [
            (RegionKind::Code, code),
            (read_only_kind, read_only),
            (RegionKind::Data, data),
        ] {
            if !range.is_empty() {
                freed.memory.push((kind, range));
            }
        }
        freed.thread_modules.extend(block.thread_module);
        // Set-aside entries are removed with their memory.
        let asides: SmallVec<[EntryId; 4]> = self.asides_of(&block).collect();
        for aside in asides {
            self.entries.remove(aside);
        }
        freed.blocks.push(block);
    }

    /// Removes a leaving unit with everything that it has.
    pub(super) fn free_unit(&mut self, id: UnitKey, slots: &Slots, freed: &mut Freed) {
        let Some(record) = self.record(id) else {
            return;
        };
        let (unit, blocks) = (record.unit.clone(), record.blocks.clone());
        let is_superseded = record.is_superseded && record.standing == Standing::Leaving;
        for entry in self.own_locals(&unit) {
            self.set_dead(entry);
        }
        for block in blocks {
            if self.blocks[block].live > 0 {
                self.free_code(block, freed);
                let heir = self.heir_of(block);
                self.blocks[block].is_file = false;
                self.move_block(block, heir);
            } else if is_superseded && !self.blocks[block].is_file && self.has_variables(block)
                || self.has_known_front(block)
            {
                self.keep_variables(block, freed);
            } else {
                self.free_block(block, freed);
            }
        }
        for lender in self.stop_borrowing(id) {
            self.leave_if_idle(lender);
        }
        for (ordinal, global) in unit.index.numbered() {
            let Some(entry) = unit.entry(ordinal) else {
                continue;
            };
            // Only coroutine frames held the addresses of these functions, and the frames are gone.
            let is_forgotten = global.coroutine == Some(CoroutinePart::Counted);
            self.entry_mut(entry).has_escaped &= !is_forgotten;
            self.unmention(entry, id, ordinal);
            self.free_if_over(entry, unit.is_own(ordinal), slots, freed);
        }
        for (_, entry) in unit.own_copies() {
            freed.entries.push(entry);
            self.free_if_over(entry, true, slots, freed);
        }
        if let Some(counts) = self.free_frame_counts(&unit) {
            freed.memory.push((RegionKind::Data, counts));
        }
        freed.entries.extend(unit.entries.iter().flatten());
        self.units.remove(id);
        freed.units.push(unit);
    }

    fn has_variables(&self, id: BlockId) -> bool {
        let block = &self.blocks[id];
        let mut definitions = block.definitions.iter();
        definitions.any(|one| !one.is_in(&block.memory.code))
    }

    /// Whether the block holds a prefixed stub whose address was given out.
    fn has_known_front(&self, id: BlockId) -> bool {
        let mut definitions = self.blocks[id].definitions.iter();
        definitions.any(|one| {
            let entry = self.entry(one.entry);
            matches!(entry.definition, Definition::PrefixedStub(..)) && entry.has_escaped
        })
    }

    /// Keeps the variables of a superseded unit's block in memory for ever, because pointers to
    /// them (to a string, say) may have been given out. Variables that the newer version has taken
    /// over aren't among them.
    fn keep_variables(&mut self, id: BlockId, freed: &mut Freed) {
        let block = &mut self.blocks[id];
        let (read_only, data) = (block.memory.read_only.clone(), block.memory.data.clone());
        for range in [&read_only, &data] {
            self.counts.bytes_kept += range.end.get() - range.start.get();
        }
        block.memory.read_only = read_only.start..read_only.start;
        block.memory.data = data.start..data.start;
        block.thread_module = None;
        self.free_block(id, freed);
    }

    /// Returns the unit that has taken over what is still in force of a block.
    fn heir_of(&self, block: BlockId) -> Option<UnitKey> {
        let mut live = self.blocks[block]
            .definitions
            .iter()
            .filter(|one| one.is_live);
        live.find_map(|one| self.entry(one.entry).elected.map(|(unit, _)| unit))
    }

    /// Removes an entry that a freed unit named, if nothing needs it any more. If other units named
    /// it as well, its stub may have to be scanned for first; then it is only noted.
    fn free_if_over(&mut self, id: EntryId, is_local: bool, slots: &Slots, freed: &mut Freed) {
        let slot = self.entry(id).slot;
        let may_go = is_local || slot.is_none_or(|slot| freed.looked_at.contains(&slot));
        if may_go && self.is_over(id, is_local) {
            self.free_entry(id, slots, freed);
        } else {
            self.note_if_over(id);
        }
    }
}
