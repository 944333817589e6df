//! Takes out of the ledger what has left and no thread is in: code, blocks, units, names.
//!
//! What is set aside in a block for who uses it ([`super::placed`]) goes with the bytes that it
//! stands for, and these stay for as long as somebody who stays names it.

use rewire_llvm::CoroutinePart;
use rewire_memory::{ExecAddr, RegionKind, Slots};
use smallvec::SmallVec;

use super::retired::Freed;
use super::{BlockId, Definition, EntryId, Ledger, Memory, Standing};
use crate::ids::UnitKey;

impl Ledger {
    /// Takes the code of a block out, and all of it if nothing else is in force there, nor named.
    pub(super) fn free_code(&mut self, id: BlockId, freed: &mut Freed) {
        let Some(block) = self.blocks.get(id) else {
            return;
        };
        if block.live_code > 0 || block.pins > 0 {
            return;
        }
        let is_code = |one: &&super::Defined| block.memory.code.contains(&one.start);
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
        block.definitions.retain(|one| !code.contains(&one.start));
        freed.unwind.extend(block.unwind.take());
        self.renumber(id);
        self.by_code.remove(&start);
        self.forget_uses(id, &code);
        for aside in asides {
            self.entries.remove(aside);
        }
        freed.memory.push((RegionKind::Code, code));
    }

    /// Who stays and has a way into code of a block that was set aside: the use, and the name.
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

    /// Takes a block out, of which nothing is in force.
    pub(super) fn free_block(&mut self, id: BlockId, freed: &mut Freed) {
        let everywhere = ExecAddr::NULL..ExecAddr::new(u64::MAX);
        self.forget_uses(id, &everywhere);
        self.forget_labels(id);
        self.move_block(id, None);
        let Some(block) = self.blocks.remove(id) else {
            return;
        };
        if !block.memory.code.is_empty() {
            self.by_code.remove(&block.memory.code.start);
        }
        let is_code = |one: &&super::Defined| block.memory.code.contains(&one.start);
        self.counts.definitions_freed += block.definitions.iter().filter(is_code).count() as u64;
        let Memory {
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
        // What was set aside goes with its memory.
        let asides: SmallVec<[EntryId; 4]> = self.asides_of(&block).collect();
        for aside in asides {
            self.entries.remove(aside);
        }
        freed.blocks.push(block);
    }

    /// Takes out a leaving unit with all that it has.
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
                self.move_block(block, heir);
            } else if is_superseded && self.has_variables(block) || self.has_known_front(block) {
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
            // Only frames had the addresses of these, and they are gone.
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
        definitions.any(|one| !block.memory.code.contains(&one.start))
    }

    /// Whether a function's address is here, and was given out.
    fn has_known_front(&self, id: BlockId) -> bool {
        let mut definitions = self.blocks[id].definitions.iter();
        definitions.any(|one| {
            let entry = self.entry(one.entry);
            matches!(entry.definition, Definition::Front(..)) && entry.has_escaped
        })
    }

    /// The variables of a former body stay: somebody may have been given a pointer to one (to a
    /// text, say). Those that its newer version has as well aren't among them.
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

    /// The unit whose definition has what is still in force of a block.
    fn heir_of(&self, block: BlockId) -> Option<UnitKey> {
        let mut live = self.blocks[block]
            .definitions
            .iter()
            .filter(|one| one.is_live);
        live.find_map(|one| self.entry(one.entry).elected.map(|(unit, _)| unit))
    }

    /// A unit that named an entry is gone. Whether a thread is in the entry's stub may have to be
    /// looked for yet, if other units named it as well.
    fn free_if_over(
        &mut self,
        id: EntryId,
        is_local: bool,
        slots: &Slots,
        freed: &mut Freed,
    ) {
        let slot = self.entry(id).slot;
        let may_go = is_local || slot.is_none_or(|slot| freed.looked_at.contains(&slot));
        if may_go && self.is_over(id, is_local) {
            self.free_entry(id, slots, freed);
        } else {
            self.note_if_over(id);
        }
    }
}
