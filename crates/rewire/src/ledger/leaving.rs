//! Retires units and blocks, and determines when they may be freed.
//!
//! Threads may still be in a body that is out of force. Its code is freed when a scan of all stacks
//! finds no way into it. Two kinds of items are retired:
//!
//! - a *retired block*, whose unit is still loaded. Whatever it calls is still loaded too, so the
//!   block is freed alone.
//! - a *leaving unit*, of which nothing is in force. Its functions call one another through their
//!   slots, so all of its code is freed at once, then its variables, slots, names and IR. Until
//!   then, its former bodies find everything that they need.
//!
//! A leaving unit waits for other units that refer to something only it has (a variable that was
//! removed while code used it), unless those leave with it.

use std::sync::Arc;

use rewire_memory::{CodeMemory, ExecAddr, SlotId, Slots};
use rustc_hash::FxHashSet;

use super::globals::is_local;
use super::retired::{Retired, RetiredItem, WaitingToBeFreed};
use super::unit::{Unit, label_of};
use super::unit_record::UnitRecord;
use super::{BlockId, EntryId, EntryKind, Ledger, LinkedBlock, Standing, UseRef};
use crate::base::ids::UnitKey;

/// The reported holder of a variable that a client has a handle of.
const HANDLE: &str = "a handle of a variable";

impl Ledger {
    /// Begins to free a unit of which nothing is in force any more, nor will be.
    pub(crate) fn leave(&mut self, id: UnitKey) {
        let Some(record) = self.units.get_mut(id) else {
            return;
        };
        if record.standing == Standing::Leaving {
            return;
        }
        record.standing = Standing::Leaving;
        let unit = record.unit.clone();
        self.leave_the_line(id);
        for entry in unit.entries.iter().flatten() {
            self.entry_mut(*entry)
                .alternatives
                .retain(|one| one.0 != id);
            let front = self.entry(*entry).prefixed_stub;
            if let Some(front) = front
                && self.entry(front).definition.unit() == Some(id)
            {
                self.set_dead(front);
            }
        }
        for entry in self.own_locals(&unit) {
            self.bequeath(entry);
        }
        self.leaving.units.push(id);
        self.leaving.bytes += self.held_by_unit(id);
        self.leaving.copied.push(unit);
    }

    /// Returns the bytes that a unit holds: its IR, its records, and what was linked from it.
    pub(crate) fn held_by_unit(&self, id: UnitKey) -> u64 {
        self.record(id).map_or(0, |record| {
            let blocks = record.blocks.iter().filter_map(|block| self.block(*block));
            record.unit.size() + blocks.map(|block| block.memory.size()).sum::<u64>()
        })
    }

    /// Schedules the copies of a removed unit's IR to be freed; they aren't worth their memory any
    /// more.
    pub(super) fn free_copies_later(&mut self, unit: Arc<Unit>) {
        self.leaving.copied.push(unit);
    }

    /// Returns the units whose copies of IR are to be freed. The caller frees them without the
    /// lock, because LLVM takes its time.
    pub(crate) fn take_copied(&mut self) -> Vec<Arc<Unit>> {
        std::mem::take(&mut self.leaving.copied)
    }

    /// Removes a unit's definitions from the alternatives of their names, and its COMDAT groups
    /// from the library.
    pub(super) fn leave_the_line(&mut self, id: UnitKey) {
        let Some(unit) = self.unit(id).cloned() else {
            return;
        };
        let mut stood = Vec::new();
        for (ordinal, global) in unit.index.numbered() {
            let Some(entry) = unit.entry(ordinal) else {
                continue;
            };
            // If the unit's removal is undone, the unit that inherits a local still has to know it,
            // so alternatives of locals stay.
            if !is_local(global) {
                let alternatives = &mut self.entry_mut(entry).alternatives;
                let before = alternatives.len();
                alternatives.retain(|one| one.0 != id);
                if alternatives.len() < before {
                    stood.push(ordinal);
                }
            }
            if let Some(comdat) = &global.comdat {
                let comdats = &mut self.namespace_mut(unit.library).comdats;
                if comdats.get(comdat) == Some(&id) {
                    comdats.remove(comdat);
                }
            }
        }
        if let Some(record) = self.record_mut(id) {
            record.stood_in_line = stood;
        }
    }

    /// Restores what [`Ledger::leave_the_line`] removed, because the unit's removal was undone.
    pub(crate) fn line_up_again(&mut self, id: UnitKey) {
        let Some(record) = self.record_mut(id) else {
            return;
        };
        let (unit, stood) = (
            record.unit.clone(),
            std::mem::take(&mut record.stood_in_line),
        );
        self.enter_comdats(&unit);
        for ordinal in stood {
            if let Some(entry) = unit.entry(ordinal) {
                self.entry_mut(entry).alternatives.push((id, ordinal));
            }
        }
    }

    /// Returns the locals of a unit that no other unit has taken over.
    pub(super) fn own_locals(&self, unit: &Unit) -> Vec<EntryId> {
        let locals = unit.index.globals.iter().zip(&unit.entries);
        let own = locals.filter_map(|(global, entry)| {
            let entry = (*entry)?;
            let elected = self.entry(entry).elected.map(|(unit, _)| unit);
            (is_local(global) && elected == Some(unit.id)).then_some(entry)
        });
        let copies = unit.own_copies().into_iter().map(|(_, entry)| entry);
        own.chain(copies).collect()
    }

    /// Hands a local of a leaving unit to the unit that took the local over, if there is one. The
    /// local's memory stays where it is.
    fn bequeath(&mut self, id: EntryId) {
        let heir = self.entry(id).alternatives.last().copied();
        let lender = self.entry(id).elected.map(|(unit, _)| unit);
        let Some((heir, ordinal)) =
            heir.and_then(|(unit, ordinal)| Some((self.unit(unit)?.clone(), ordinal)))
        else {
            let is_lent = lender
                .and_then(|unit| self.record(unit))
                .is_some_and(|record| !record.borrowers.is_empty());
            // Without an heir, a variable goes with its unit. A function stays, because the unit's
            // own bodies may still call it.
            if self.entry(id).kind != EntryKind::Function && !is_lent {
                self.set_dead(id);
            }
            return;
        };
        if let Some(lender) = lender {
            self.pass_borrowers(lender, heir.id);
        }
        let entry = self.entry(id);
        let (state, placed) = (entry.state.clone(), entry.placed);
        self.entry_mut(id)
            .alternatives
            .retain(|one| one.0 != heir.id);
        self.set_in_force(&heir, ordinal, id);
        self.entry_mut(id).placed = placed;
        self.set_present_if(id, state);
    }

    /// Retires a unit that stays only while its definitions are in force, are borrowed or may be
    /// restored by undoing, if none of them is any more.
    pub(crate) fn leave_if_idle(&mut self, id: UnitKey) {
        let is_idle = self.record(id).is_some_and(|record| {
            record.in_force == 0
                && record.undo_refs == 0
                && record.borrowers.is_empty()
                && matches!(
                    record.standing,
                    Standing::WhileInForce | Standing::RemovedButUndoable
                )
        });
        if is_idle {
            self.leave(id);
        }
    }

    /// Returns the number of tombstones: stubs of removed functions whose addresses were given out.
    pub(crate) fn tombstones(&self) -> usize {
        self.tombstones.len()
    }

    /// Returns the number of items that wait to be freed, and their bytes.
    pub(crate) fn waiting_to_leave(&self) -> (usize, u64) {
        let WaitingToBeFreed {
            blocks,
            units,
            names,
            ..
        } = &self.leaving;
        let pieces = blocks.len() + units.len() + names.len();
        (pieces, self.leaving.bytes)
    }

    /// Returns the items that wait to be freed, each with what keeps it in memory, as far as the
    /// ledger knows.
    pub(crate) fn retired(&mut self, slots: &Slots, memory: &CodeMemory) -> Vec<Retired> {
        let mut blocks = std::mem::take(&mut self.leaving.blocks);
        blocks.retain(|id| self.blocks.contains_key(*id));
        let mut retired = Vec::with_capacity(blocks.len());
        for id in &blocks {
            let block = &self.blocks[*id];
            let code = block.memory.code.clone();
            let standing = self.record(block.unit).map(|record| record.standing);
            let frames = self.frames_of_block(block, memory);
            let kept_by = match standing {
                Some(Standing::Leaving) => continue,
                _ if block.pins > 0 => Some("a pinned address".into()),
                _ if block.handles > 0 && code.is_empty() => Some(HANDLE.into()),
                // The unit is freed or restored as a whole, because its bodies call one another.
                Some(Standing::RemovedButUndoable) => Some("a change that can be undone".into()),
                // A block that was linked after its unit had left is treated alone as well.
                _ => frames.holder(),
            };
            retired.push(Retired {
                what: RetiredItem::Block(*id),
                code: Vec::from_iter((!code.is_empty()).then_some(code)),
                stubs: Vec::new(),
                slots: Vec::new(),
                label: self.label_of(block),
                kept_by,
                frames_begun: frames.begun,
                handed_out: 0,
            });
        }
        self.leaving.blocks = blocks;
        for id in self.leaving.units.clone() {
            let Some(record) = self.record(id) else {
                continue;
            };
            let blocks = record.blocks.iter().map(|block| &self.blocks[*block]);
            let code = blocks.map(|block| block.memory.code.clone());
            let slots_of = self.slots_of(&record.unit);
            let stubs = slots_of.iter().flat_map(|slot| slots.ways_in(*slot));
            retired.push(Retired {
                what: RetiredItem::Unit(id),
                code: code.filter(|code| !code.is_empty()).collect(),
                stubs: stubs.collect(),
                slots: slots_of,
                label: label_of(&record.unit.name),
                kept_by: self.holder_of(id, memory),
                frames_begun: self.frames_of_unit(&record.unit, memory).begun,
                handed_out: record.handed_out,
            });
        }
        let names = self.retired_names(slots);
        retired.extend(names);
        retired
    }

    /// Returns the body that a function had in a removed unit, for a caller that is still in one of
    /// that unit's bodies. The caller's frame keeps the whole of its own unit in memory. It doesn't
    /// keep another unit that has left with it, which may have been empty of threads when stacks
    /// were scanned; so a call into such a unit is counted in `handed_out`. `running` is the unit
    /// whose constructors or destructors this thread runs.
    pub(crate) fn former_body(
        &mut self,
        id: EntryId,
        returns_to: ExecAddr,
        running: Option<UnitKey>,
    ) -> Option<ExecAddr> {
        let inside = returns_to.checked_add_signed(-1)?;
        let block = self.definition_at(inside).and_then(|it| self.block(it.0));
        // If a destructor of a unit that has left makes a tail call, the call doesn't return into
        // the unit's code; then `running` tells the unit.
        let unit = block.map(|block| block.unit);
        let unit = unit.or(running)?;
        let record = self.record(unit).filter(|record| record.has_left())?;
        // The function may be another unit's that has left together with the caller's.
        let left = self.units.iter().filter(|(_, record)| record.has_left());
        let mut bodies = std::iter::once((unit, record)).chain(left);
        let found = bodies.find_map(|(key, record)| Some((key, self.body_in(record, id)?)));
        let Some((key, body)) = found else {
            return self.given_before.get(&id).copied();
        };
        if let Some(record) = self.units.get_mut(key) {
            record.handed_out += 1;
        }
        Some(body)
    }

    /// Returns the body that a function has in the code of a unit.
    fn body_in(&self, record: &UnitRecord, id: EntryId) -> Option<ExecAddr> {
        let blocks = record.blocks.iter().filter_map(|block| self.block(*block));
        let mut bodies = blocks.flat_map(|block| {
            let code = block.memory.code.clone();
            let definitions = block.definitions.iter();
            definitions.filter(move |one| one.entry == id && one.is_in(&code))
        });
        bodies.next().map(|one| one.start.addr())
    }

    /// Whether code of any of `users` names something that `unit` defines.
    pub(crate) fn is_used_by(&self, unit: UnitKey, users: &FxHashSet<UnitKey>) -> bool {
        let Some(record) = self.record(unit) else {
            return false;
        };
        let globals = record.unit.index.globals.iter().zip(&record.unit.entries);
        let mut defined = globals.filter_map(|(global, id)| (*id).filter(|_| global.is_definition));
        defined.any(|id| {
            let mut uses = self.entry(id).users.iter();
            uses.any(|user| {
                let block = self.blocks.get(user.block);
                block.is_some_and(|block| block.unit != unit && users.contains(&block.unit))
            })
        })
    }

    /// Returns the slots of the functions that only this unit names, which may be freed with it.
    fn slots_of(&self, unit: &Unit) -> Vec<SlotId> {
        let entries = unit.index.globals.iter().zip(&unit.entries);
        let slots_of = entries.filter_map(|(global, id)| {
            let entry = self.entry((*id)?);
            entry
                .slot
                .filter(|_| entry.mentions.len() <= 1 || is_local(global))
        });
        let copies = unit.own_copies().into_iter();
        let slots_of = slots_of.chain(copies.filter_map(|(_, id)| self.entry(id).slot));
        slots_of.collect()
    }

    fn label_of(&self, block: &LinkedBlock) -> Arc<str> {
        let mut code = block.definitions.iter();
        let first = code.find(|one| one.is_in(&block.memory.code));
        let named = first.map(|one| one.entry);
        let named = named.or_else(|| self.asides_of(block).next());
        named.map_or_else(|| "?".into(), |named| self.entry(named).label().into())
    }

    /// Returns what keeps a leaving unit in memory, other than threads and other units.
    fn holder_of(&self, id: UnitKey, memory: &CodeMemory) -> Option<Arc<str>> {
        let record = self.record(id)?;
        if record.undo_refs > 0 {
            return Some("a change that can be undone".into());
        }
        if record.pending_destructors > 0 {
            return Some("destructors of threads that still run".into());
        }
        for block in &record.blocks {
            let block = &self.blocks[*block];
            if block.pins > 0 {
                return Some("a pinned address".into());
            }
            if block.handles > 0 {
                return Some(HANDLE.into());
            }
        }
        self.frames_of_unit(&record.unit, memory).holder()
    }

    /// Returns those of the `clean` units (which no thread is in) that can be freed: the units that
    /// nothing names except units that are freed as well.
    pub(super) fn unneeded(
        &self,
        clean: &FxHashSet<UnitKey>,
        memory: &CodeMemory,
    ) -> FxHashSet<UnitKey> {
        let mut going: FxHashSet<UnitKey> = clean
            .iter()
            .copied()
            .filter(|id| self.holder_of(*id, memory).is_none())
            .collect();
        loop {
            let needed: Vec<UnitKey> = going
                .iter()
                .copied()
                .filter(|id| {
                    self.named_outside(*id, &going).is_some()
                        || self.borrower_outside(*id, &going).is_some()
                })
                .collect();
            if needed.is_empty() {
                return going;
            }
            for id in needed {
                going.remove(&id);
            }
        }
    }

    /// Finds a use that keeps a unit in memory: something that isn't freed with the unit and names
    /// what only the unit has. Returns the user's block and the name.
    fn named_outside(&self, id: UnitKey, going: &FxHashSet<UnitKey>) -> Option<(BlockId, EntryId)> {
        let record = self.record(id)?;
        let outlives = |one: &super::PlacedDefinition| {
            let elected = self.entry(one.entry).elected;
            one.is_live && elected.is_none_or(|(unit, _)| !going.contains(&unit))
        };
        // In a block that is freed, definitions that other units took over stay, and so does what
        // they name.
        let stays = |user: &UseRef| {
            let Some(block) = self.blocks.get(user.block) else {
                return false;
            };
            let at = block.uses.get(user.place as usize).map(|one| one.at);
            !going.contains(&block.unit)
                || at
                    .and_then(|at| block.definition_at(at))
                    .is_some_and(outlives)
        };
        let named = |entry: EntryId| {
            let mut users = self.entry(entry).users.iter();
            let user = users.find(|one| stays(one))?;
            Some((user.block, entry))
        };
        let own = self.own_locals(&record.unit);
        let blocks = record.blocks.iter().map(|block| &self.blocks[*block]);
        // If other units take over a block, only its code is freed.
        let asides = blocks.flat_map(|block| {
            let dead = (block.live == 0).then(|| self.asides_of(block));
            let beside = (block.live > 0).then(|| self.asides_in_code(block));
            dead.into_iter()
                .flatten()
                .chain(beside.into_iter().flatten())
        });
        own.into_iter()
            .find_map(named)
            .or_else(|| asides.into_iter().find_map(named))
    }

    /// Returns what keeps a unit in memory that no thread is in.
    pub(crate) fn namer_of(&self, id: UnitKey) -> Option<String> {
        let going: FxHashSet<UnitKey> = self.leaving.units.iter().copied().collect();
        if let Some(borrower) = self.borrower_outside(id, &going) {
            let borrower = self.unit(borrower)?;
            return Some(format!(
                "{}, which names what is its own",
                label_of(&borrower.name)
            ));
        }
        Some(self.describe_namer(self.named_outside(id, &going)?))
    }

    pub(super) fn describe_namer(&self, (block, entry): (BlockId, EntryId)) -> String {
        let user = self.label_of(&self.blocks[block]);
        format!("{user}, which names {}", self.entry(entry).label())
    }

    /// Whether an item still waits to be freed.
    pub(crate) fn is_there(&self, piece: &Retired) -> bool {
        match piece.what {
            RetiredItem::Block(id) => self
                .blocks
                .get(id)
                .is_some_and(|block| !block.memory.code.is_empty() || block.live == 0),
            RetiredItem::Unit(id) => self.units.contains_key(id),
            RetiredItem::Name(_) => false,
        }
    }
}
