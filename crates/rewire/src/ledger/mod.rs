//! The ledger: the engine's map from name to state.
//!
//! For each name: what it is, which definition stands for it, how far that has come, its
//! generation, its slot, and every place that depends on it. Everything else reads or writes it:
//! loading enters names ([`election`]), linking asks what they mean and enters uses, a first call
//! asks what a slot stands for, replacing stores the slot.
//!
//! One lock guards it. It is held for as long as it takes to link one object, some tens of
//! microseconds; never while LLVM works, a library is searched, or the program runs.

mod election;
mod entry;
mod names;
mod uses;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use rewire_llvm::GlobalState;
use rewire_memory::unwind::UnwindRegistration;
use rewire_memory::{ExecAddr, MemoryError, SlotId, Slots};
use rustc_hash::FxBuildHasher;

pub(crate) use entry::{Definition, Entry, EntryId, State, ThreadKey};
pub use entry::{EntryKind, Generation};
pub use names::LibraryId;
pub use uses::UseAspect;
pub(crate) use uses::{BlockId, Use, UseRef};

use crate::outside::Lazy;
use crate::unit::{Unit, UnitId};

/// What was linked and published in one step.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) code: Range<ExecAddr>,
    pub(crate) definitions: Vec<Defined>,
    pub(crate) uses: Vec<Use>,
    /// Unwinding finds its frames for as long as these stand.
    pub(crate) frames: Vec<UnwindRegistration>,
}

/// A definition that a block holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Defined {
    pub(crate) entry: EntryId,
    pub(crate) start: ExecAddr,
    pub(crate) size: u64,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Ledger {
    entries: Vec<Entry>,
    libraries: Vec<names::Namespace>,
    units: Vec<Arc<Unit>>,
    /// The entry of each slot.
    by_slot: Vec<EntryId>,
    blocks: Vec<Block>,
    /// Blocks that hold code, by address.
    by_code: Vec<BlockId>,
    /// What each thread waits for another to compile.
    pub(crate) waiting: HashMap<ThreadKey, EntryId, FxBuildHasher>,
    /// Closures that make functions' IR.
    pub(crate) lazies: HashMap<EntryId, Lazy, FxBuildHasher>,
    pub(crate) counts: Counts,
}

/// What happened so far, in numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) functions_called: u64,
    pub(crate) functions_compiled: u64,
    pub(crate) compiled_ahead: u64,
    pub(crate) functions_replaced: u64,
    pub(crate) definitions_retired: u64,
    pub(crate) relocations_applied: u64,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            libraries: vec![names::Namespace::new("main".into())],
            units: Vec::new(),
            by_slot: Vec::new(),
            blocks: Vec::new(),
            by_code: Vec::new(),
            waiting: HashMap::default(),
            lazies: HashMap::default(),
            counts: Counts::default(),
        }
    }

    pub(crate) fn entry(&self, id: EntryId) -> &Entry {
        &self.entries[id.index()]
    }

    pub(crate) fn entry_mut(&mut self, id: EntryId) -> &mut Entry {
        &mut self.entries[id.index()]
    }

    fn add(&mut self, entry: Entry) -> EntryId {
        let id = EntryId(self.entries.len() as u32);
        self.entries.push(entry);
        id
    }

    pub(crate) fn unit(&self, id: UnitId) -> &Arc<Unit> {
        &self.units[id.index()]
    }

    pub(crate) fn units(&self) -> &[Arc<Unit>] {
        &self.units
    }

    /// Whether a thread that waited for a definition would wait for itself: because it is making
    /// it, or because whoever makes it waits for this thread, through others perhaps.
    pub(crate) fn would_wait_for_itself(&self, me: ThreadKey, id: EntryId) -> bool {
        let mut wanted = id;
        // Each step is another thread, so this ends; unless a cycle of others is about to be
        // broken by one of them.
        for _ in 0..=self.waiting.len() {
            let State::Pending(owner) = self.entry(wanted).state else {
                return false;
            };
            if owner == me {
                return true;
            }
            match self.waiting.get(&owner) {
                Some(next) => wanted = *next,
                None => return false,
            }
        }
        false
    }

    /// What an entry stands for in the end, past all aliases: an entry and an offset into it.
    pub(crate) fn target(&self, mut id: EntryId) -> (EntryId, i64) {
        let mut total = 0i64;
        // Aliases of aliases end, because the verifier refuses cycles; the bound is for
        // cycles through several units.
        for _ in 0..64 {
            match self.entry(id).definition {
                Definition::Alias(next, offset) => {
                    id = next;
                    total = total.wrapping_add(offset);
                }
                _ => break,
            }
        }
        (id, total)
    }

    /// What an entry's address leads to in the end: as [`Ledger::target`], but a function that
    /// has something of its own at its canonical address is that.
    pub(crate) fn address_target(&self, id: EntryId) -> (EntryId, i64) {
        let (id, offset) = self.target(id);
        (self.entry(id).front.unwrap_or(id), offset)
    }

    /// The frozen unit that defines an entry.
    pub(crate) fn frozen_unit(&self, id: EntryId) -> Option<&Arc<Unit>> {
        match self.entry(id).definition {
            Definition::Ir(unit, _) | Definition::Assembly(unit) => {
                Some(self.unit(unit)).filter(|unit| unit.is_frozen)
            }
            _ => None,
        }
    }

    /// The slot of a function, made when it is first asked for.
    pub(crate) fn slot(&mut self, id: EntryId, slots: &Slots) -> Result<SlotId, MemoryError> {
        if let Some(slot) = self.entry(id).slot {
            return Ok(slot);
        }
        let slot = slots.allocate()?;
        debug_assert_eq!(slot.index(), self.by_slot.len());
        self.by_slot.push(id);
        let entry = self.entry_mut(id);
        entry.slot = Some(slot);
        if let State::Present(address) = entry.state {
            slots.lead(slot, address, entry.is_ahead && !entry.called);
        }
        Ok(slot)
    }

    /// The one address that a function has for its whole life.
    pub(crate) fn canonical(
        &mut self,
        id: EntryId,
        slots: &Slots,
    ) -> Result<ExecAddr, MemoryError> {
        match self.entry(id).state {
            State::Present(address) if !self.entry(id).is_replaceable() => Ok(address),
            _ => Ok(slots.canonical(self.slot(id, slots)?)),
        }
    }

    pub(crate) fn of_slot(&self, slot: SlotId) -> Option<EntryId> {
        self.by_slot.get(slot.index()).copied()
    }

    /// Notes that a definition is in memory, and tells the extractor so.
    pub(crate) fn set_present(&mut self, id: EntryId, state: State) {
        let entry = self.entry_mut(id);
        entry.state = state;
        if let Definition::Ir(unit, ordinal) = entry.definition {
            let known = GlobalState {
                elected: true,
                placed: true,
            };
            self.unit(unit).set_state(ordinal, known);
        }
    }

    /// Enters a published block with its uses.
    pub(crate) fn add_block(&mut self, mut block: Block) -> BlockId {
        let id = BlockId(self.blocks.len() as u32);
        for (place, one) in block.uses.iter_mut().enumerate() {
            let users = &mut self.entries[one.entry.index()].users;
            one.set_back(users.len());
            users.push(UseRef {
                block: id,
                place: place as u32,
            });
        }
        if !block.code.is_empty() {
            // Mostly at the end: code memory is given out upwards, but for gaps.
            let before = |id: &BlockId| self.block(*id).code.start < block.code.start;
            let place = self.by_code.partition_point(before);
            self.by_code.insert(place, id);
        }
        self.blocks.push(block);
        id
    }

    /// Takes the uses of one definition out of the ledger, because its body left the scene.
    pub(crate) fn forget_uses(&mut self, block: BlockId, within: &Range<ExecAddr>) {
        let mut place = 0;
        while let Some(one) = self.blocks[block.index()].uses.get(place) {
            if within.contains(&one.at) {
                self.remove_use(block, place);
            } else {
                place += 1;
            }
        }
    }

    /// Takes out one use; the last one of each list moves into the gap.
    fn remove_use(&mut self, block: BlockId, place: usize) {
        let gone = self.blocks[block.index()].uses.swap_remove(place);
        let users = &mut self.entries[gone.entry.index()].users;
        users.swap_remove(gone.back());
        if let Some(moved) = users.get(gone.back()).copied() {
            let uses = &mut self.blocks[moved.block.index()].uses;
            // The use that moved within the block's own list is found at its new place below.
            let at = if moved.block == block && moved.place as usize == uses.len() {
                place
            } else {
                moved.place as usize
            };
            uses[at].set_back(gone.back());
        }
        if let Some(moved) = self.blocks[block.index()].uses.get(place) {
            let (entry, back) = (moved.entry, moved.back());
            self.entries[entry.index()].users[back].place = place as u32;
        }
    }

    pub(crate) fn block(&self, id: BlockId) -> &Block {
        &self.blocks[id.index()]
    }

    /// The definition whose bytes an address is in, with its block.
    pub(crate) fn definition_at(&self, address: ExecAddr) -> Option<(BlockId, Defined)> {
        let after = self
            .by_code
            .partition_point(|id| self.block(*id).code.start <= address);
        let id = *self.by_code.get(after.checked_sub(1)?)?;
        let found = self.block(id).definitions.iter().find(|defined| {
            defined.start <= address && address < defined.start + defined.size.max(1)
        })?;
        Some((id, *found))
    }

    /// How many functions have a definition.
    pub(crate) fn functions_defined(&self) -> u64 {
        let defined = self.entries.iter().filter(|entry| {
            let here = entry.is_replaceable();
            here && entry.kind == EntryKind::Function
        });
        defined.count() as u64
    }

    /// All uses of a name, each with the definition that contains it.
    pub(crate) fn users(&self, id: EntryId) -> impl Iterator<Item = (Option<EntryId>, &Use)> {
        self.entry(id).users.iter().map(|user| {
            let block = self.block(user.block);
            let one = &block.uses[user.place as usize];
            let within = block.definitions.iter().find(|defined| {
                defined.start <= one.at && one.at < defined.start + defined.size.max(1)
            });
            (within.map(|defined| defined.entry), one)
        })
    }
}
