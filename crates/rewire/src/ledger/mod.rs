//! The ledger: the engine's map from name to state.
//!
//! For each name: what it is, which definition stands for it, how far that has come, its
//! generation, its slot, and every place that depends on it. Everything else reads or writes it:
//! loading enters names ([`election`]), linking asks what they mean and enters uses, a first call
//! asks what a slot stands for, a change gives names other definitions ([`replacing`]), and what
//! has left is taken out ([`leaving`]).
//!
//! One lock guards it. It is held for as long as it takes to link one object, some tens of
//! microseconds; never while LLVM works, a library is searched, or the program runs.

mod borrowing;
mod call_target;
mod canonical;
mod claiming;
mod closed_name;
mod closed_names;
mod coroutines;
mod demand;
mod demangled;
mod election;
mod entry;
mod former_meaning;
mod freeing;
mod globals;
mod joining;
mod label_places;
mod labels;
mod lazy_closure;
mod lazy_functions;
mod leaving;
mod libraries;
mod linked_block;
mod mentions;
pub(crate) mod module_pool;
mod names;
mod outside_definitions;
mod own_copies;
mod placed;
mod planned_names;
mod prefixed_stubs;
mod removed_libraries;
mod replacing;
mod retired;
mod slot_owners;
mod slot_stores;
mod standing;
mod tombstones;
mod undoable_changes;
mod undoing;
pub(crate) mod unit;
mod unit_record;
mod units;
mod unused_names;
mod uses;
mod waiting;
mod withdrawing;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rewire_llvm::GlobalState;
use rewire_memory::{ExecAddr, SlotId};
use rustc_hash::{FxBuildHasher, FxHashSet};
use slotmap::SlotMap;

pub(crate) use closed_names::Admission;
pub(crate) use coroutines::{BLOCK_COUNTS, NOOP_FRAME};
pub(crate) use demand::Demand;
pub(crate) use demangled::Demangled;
pub(crate) use entry::{Definition, Entry, State, ValueType};
pub(crate) use former_meaning::{FormerMeaning, NonIrDefinition};
use lazy_closure::Lazy;
pub(crate) use linked_block::{BlockMemory, FrameCounts, LinkedBlock, PlacedDefinition};
pub(crate) use outside_definitions::AssemblySymbol;
pub(crate) use planned_names::{InheritedMemory, OrderedNames, PlannedNames, PlannedTarget};
pub(crate) use retired::{Freed, Retired, RetiredItem};
pub(crate) use standing::Standing;
pub(crate) use undoable_changes::{History, RememberedChange};
pub use uses::UseAspect;
pub(crate) use uses::{BlockId, Use, UseRef};

pub(crate) use crate::base::ids::{EntryId, EntryKind, Generation, LibraryId, ThreadKey};

use crate::base::ids::{EngineNumber, UnitKey};
use crate::ledger::unit::Unit;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// Whose ledger it is.
    pub(crate) engine: EngineNumber,
    entries: SlotMap<EntryId, Entry>,
    /// What an entry that left reads as.
    gone: Entry,
    libraries: libraries::Libraries,
    units: SlotMap<UnitKey, unit_record::UnitRecord>,
    next_unit: u64,
    next_block: u64,
    by_slot: slot_owners::SlotOwners,
    blocks: SlotMap<BlockId, LinkedBlock>,
    /// Blocks that hold code, by its address.
    by_code: BTreeMap<ExecAddr, BlockId>,
    tombstones: tombstones::Tombstones,
    leaving: retired::WaitingToBeFreed,
    /// The frame of coroutines that do nothing, once something names it.
    noop_frame: Option<EntryId>,
    labels: label_places::Labels,
    /// What the client gave for names that were removed: units that left with them may call it.
    given_before: HashMap<EntryId, ExecAddr, FxBuildHasher>,
    /// Changes whose new code isn't let in yet.
    gates: Vec<closed_name::ConstructionGate>,
    /// What each thread waits for another to compile.
    pub(super) waiting: HashMap<ThreadKey, Awaited, FxBuildHasher>,
    /// Threads that put in memory what units need from the start.
    pub(super) placing: FxHashSet<ThreadKey>,
    /// Closures that make functions' IR.
    pub(crate) lazies: HashMap<EntryId, Lazy, FxBuildHasher>,
    pub(crate) counts: Counts,
    /// Counted up whenever the names of a library change.
    pub(crate) names_version: u64,
}

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// A definition, by whoever makes it.
    Definition(EntryId),
    /// Whatever this thread does.
    Thread(ThreadKey),
}

/// What happened so far, in numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) functions_called: u64,
    pub(crate) functions_compiled: u64,
    pub(crate) compiled_ahead: u64,
    pub(crate) functions_replaced: u64,
    pub(crate) definitions_retired: u64,
    pub(crate) definitions_freed: u64,
    pub(crate) relocations_applied: u64,
    pub(crate) bytes_kept: u64,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self {
            engine: EngineNumber::next(),
            entries: SlotMap::with_key(),
            gone: Entry::new(LibraryId::MAIN, Arc::from("")),
            libraries: libraries::Libraries::new(),
            units: SlotMap::with_key(),
            next_unit: 0,
            next_block: 0,
            by_slot: slot_owners::SlotOwners::default(),
            blocks: SlotMap::with_key(),
            by_code: BTreeMap::new(),
            tombstones: tombstones::Tombstones::default(),
            leaving: retired::WaitingToBeFreed::default(),
            noop_frame: None,
            labels: label_places::Labels::default(),
            gates: Vec::new(),
            given_before: HashMap::default(),
            waiting: HashMap::default(),
            placing: FxHashSet::default(),
            lazies: HashMap::default(),
            counts: Counts::default(),
            names_version: 0,
        }
    }

    /// An entry. One that left reads as a name that nothing defines: whoever still has its number
    /// began before it left.
    /// Asked for so often on the way of one change that its code, put in each place, would push
    /// other code out of the processor's cache.
    #[inline(never)]
    pub(crate) fn entry(&self, id: EntryId) -> &Entry {
        self.entries.get(id).unwrap_or(&self.gone)
    }

    #[inline(never)]
    pub(crate) fn entry_mut(&mut self, id: EntryId) -> &mut Entry {
        if let Some(entry) = self.entries.get_mut(id) {
            return entry;
        }
        // What is written to it is lost.
        self.gone = Entry::new(LibraryId::MAIN, Arc::from(""));
        &mut self.gone
    }

    fn add(&mut self, entry: Entry) -> EntryId {
        self.entries.insert(entry)
    }

    /// Whether this thread is making a definition.
    pub(crate) fn is_pending_here(&self, id: EntryId) -> bool {
        matches!(self.entry(id).state, State::Pending(owner) if owner == ThreadKey::mine())
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
        (self.entry(id).prefixed_stub.unwrap_or(id), offset)
    }

    /// A unit; `None` when it has left.
    #[inline(never)]
    pub(crate) fn unit(&self, id: UnitKey) -> Option<&Arc<Unit>> {
        self.units.get(id).map(|record| &record.unit)
    }

    /// The frozen unit that defines an entry.
    pub(crate) fn frozen_unit(&self, id: EntryId) -> Option<&Arc<Unit>> {
        match self.entry(id).definition {
            Definition::Ir(unit, _) | Definition::Assembly(unit) => {
                self.unit(unit).filter(|unit| unit.is_frozen)
            }
            _ => None,
        }
    }

    /// The function that a slot belongs to.
    pub(crate) fn of_slot(&self, slot: SlotId) -> Option<EntryId> {
        let id = self.by_slot.get(slot)?;
        self.entries.contains_key(id).then_some(id)
    }

    /// The name that a function had whose address is all that is left of it, if it isn't long gone.
    pub(crate) fn tombstone(&self, slot: SlotId) -> Option<&Arc<str>> {
        self.tombstones.name(slot)
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
            if let Some(unit) = self.unit(unit) {
                unit.set_state(ordinal, known);
            }
        }
    }

    /// The same of one that may have no memory.
    fn set_present_if(&mut self, id: EntryId, state: State) {
        match state {
            State::Present(_) | State::PerThread { .. } => self.set_present(id, state),
            other => self.entry_mut(id).state = other,
        }
    }

    /// How many functions have a definition.
    pub(crate) fn functions_defined(&self) -> u64 {
        let defined = self.entries.values().filter(|entry| {
            let here = entry.address_is_stub();
            here && entry.kind == EntryKind::Function
        });
        defined.count() as u64
    }
}
