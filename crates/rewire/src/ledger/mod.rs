//! The ledger: the engine's map from names to their state.
//!
//! For each name, the ledger holds its kind, its definition and how far that has been materialized,
//! its generation, its slot, and every place that depends on it. The other modules go through it:
//! loading enters names ([`election`]), linking looks up definitions and enters uses, a first call
//! asks which function a slot belongs to, a change gives names other definitions ([`replacing`]),
//! and reclaiming removes what has left ([`leaving`]).
//!
//! One lock guards the ledger. A thread holds it for at most as long as linking one object takes,
//! some tens of microseconds. No thread holds it while LLVM works, while libraries of the host are
//! searched, or while the program runs.

mod array_piece;
mod borrowing;
mod call_target;
mod canonical;
mod claiming;
mod closed_name;
mod closed_names;
mod continuation;
mod continuations;
mod coroutines;
mod counted_calls;
mod demand;
mod demangled;
mod election;
mod entry;
mod fixed_levels;
mod former_meaning;
mod freeing;
mod globals;
mod handler_functions;
mod in_handlers;
mod inline_source;
mod inline_sources;
mod joining;
mod kept_block;
mod kept_blocks;
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
mod object_files;
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
mod wants;
mod withdrawing;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rewire_llvm::{GlobalState, Level};
use rewire_memory::{ExecAddr, SlotId};
use rustc_hash::{FxBuildHasher, FxHashSet};
use slotmap::SlotMap;

pub(crate) use array_piece::ArrayPiece;
pub(crate) use closed_names::Admission;
pub(crate) use continuation::{ContinuationKey, LoopWords};
pub(crate) use continuations::AskingBody;
pub(crate) use coroutines::{BLOCK_COUNTS, NOOP_FRAME};
pub(crate) use demand::Demand;
pub(crate) use demangled::Demangled;
pub(crate) use entry::{Definition, Entry, Located, State, ValueType};
pub(crate) use former_meaning::{FormerMeaning, NonIrDefinition};
pub(crate) use kept_block::{KeptBlock, KeptBound};
use lazy_closure::Lazy;
pub(crate) use linked_block::{BlockMemory, FrameCounts, LinkedBlock, PlacedDefinition, StaleByte};
pub(crate) use outside_definitions::AssemblySymbol;
pub(crate) use planned_names::{InheritedMemory, OrderedNames, PlannedNames, PlannedTarget};
pub(crate) use retired::{Freed, Retired, RetiredItem};
pub(crate) use standing::Standing;
pub(crate) use undoable_changes::{History, RememberedChange};
pub use uses::UseAspect;
pub(crate) use uses::{BlockId, Use, UseRef};
pub(crate) use wants::Want;

pub(crate) use crate::base::ids::{EntryId, EntryKind, Generation, LibraryId, ThreadKey};

use crate::base::ids::{EngineNumber, UnitKey};
use crate::ledger::unit::Unit;

/// The ledger of one engine: see the module's documentation.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// The engine that the ledger belongs to.
    pub(crate) engine: EngineNumber,
    entries: SlotMap<EntryId, Entry>,
    /// Stands in for entries that were removed: see [`Ledger::entry`].
    gone: Entry,
    libraries: libraries::Libraries,
    units: SlotMap<UnitKey, unit_record::UnitRecord>,
    next_unit: u64,
    next_block: u64,
    by_slot: slot_owners::SlotOwners,
    blocks: SlotMap<BlockId, LinkedBlock>,
    /// What of blocks goes into an image of the program.
    kept_blocks: HashMap<BlockId, Box<KeptBlock>, FxBuildHasher>,
    /// The blocks that hold code, by the start address of the code.
    by_code: BTreeMap<ExecAddr, BlockId>,
    tombstones: tombstones::Tombstones,
    leaving: retired::WaitingToBeFreed,
    /// The shared frame of coroutines that do nothing, created when something first names it.
    noop_frame: Option<EntryId>,
    labels: label_places::Labels,
    /// The addresses that the client had defined for names that were removed since: units that left
    /// together with such a name may still call it.
    given_before: HashMap<EntryId, ExecAddr, FxBuildHasher>,
    /// The gates of changes whose new code may not be called by other threads yet.
    gates: Vec<closed_name::ConstructionGate>,
    /// The functions' continuations in force.
    continuations: HashMap<EntryId, Vec<continuation::Continuation>, FxBuildHasher>,
    /// The levels that the client has set for functions.
    fixed_levels: HashMap<EntryId, Level, FxBuildHasher>,
    handlers: handler_functions::HandlerFunctions,
    /// What each waiting thread waits for.
    pub(super) waiting: HashMap<ThreadKey, Awaited, FxBuildHasher>,
    /// The threads that are placing in memory what units need before their code runs.
    pub(super) placing: FxHashSet<ThreadKey>,
    /// The client's closures that make the IR of functions.
    pub(crate) lazies: HashMap<EntryId, Lazy, FxBuildHasher>,
    pub(crate) counts: Counts,
    /// Incremented whenever the names of a library change.
    pub(crate) names_version: u64,
}

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// That the thread which claimed this definition has materialized it.
    Definition(EntryId),
    /// That this thread has finished what it is doing.
    Thread(ThreadKey),
}

/// Counts of what has happened so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) functions_called: u64,
    pub(crate) functions_compiled: u64,
    pub(crate) functions_restored: u64,
    pub(crate) compiled_ahead: u64,
    pub(crate) functions_optimised: u64,
    pub(crate) loops_optimised: u64,
    pub(crate) functions_replaced: u64,
    pub(crate) bodies_inlined: u64,
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
            kept_blocks: HashMap::default(),
            by_code: BTreeMap::new(),
            tombstones: tombstones::Tombstones::default(),
            leaving: retired::WaitingToBeFreed::default(),
            noop_frame: None,
            labels: label_places::Labels::default(),
            gates: Vec::new(),
            continuations: HashMap::default(),
            fixed_levels: HashMap::default(),
            handlers: handler_functions::HandlerFunctions::default(),
            given_before: HashMap::default(),
            waiting: HashMap::default(),
            placing: FxHashSet::default(),
            lazies: HashMap::default(),
            counts: Counts::default(),
            names_version: 0,
        }
    }

    /// Returns an entry. A removed entry reads as a name that nothing defines; only operations that
    /// began before the removal still have its ID.
    ///
    /// Not inlined: changes call this so often that inlined copies would push other code out of the
    /// processor's cache.
    pub(crate) fn entry(&self, id: EntryId) -> &Entry {
        self.entries.get(id).unwrap_or(&self.gone)
    }

    pub(crate) fn entry_mut(&mut self, id: EntryId) -> &mut Entry {
        if let Some(entry) = self.entries.get_mut(id) {
            return entry;
        }
        // Changes to a removed entry are discarded.
        self.gone = Entry::new(LibraryId::MAIN, Arc::from(""));
        &mut self.gone
    }

    fn add(&mut self, entry: Entry) -> EntryId {
        self.entries.insert(entry)
    }

    /// Whether this thread has claimed the definition.
    pub(crate) fn is_pending_here(&self, id: EntryId) -> bool {
        matches!(self.entry(id).state, State::Pending(owner) if owner == ThreadKey::mine())
    }

    /// Follows aliases to the entry that `id` stands for in the end, and the offset into it.
    pub(crate) fn target(&self, mut id: EntryId) -> (EntryId, i64) {
        let mut total = 0i64;
        // Within a unit the verifier rejects cycles of aliases; the bound ends cycles through
        // several units.
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

    /// As [`Ledger::target`], but for a function with a prefixed stub returns the stub's entry,
    /// because that is what lies at the function's address.
    pub(crate) fn address_target(&self, id: EntryId) -> (EntryId, i64) {
        let (id, offset) = self.target(id);
        (self.entry(id).prefixed_stub.unwrap_or(id), offset)
    }

    /// Returns a unit; `None` once it was freed.
    pub(crate) fn unit(&self, id: UnitKey) -> Option<&Arc<Unit>> {
        self.units.get(id).map(|record| &record.unit)
    }

    /// Returns the frozen unit that defines an entry, if one does.
    pub(crate) fn frozen_unit(&self, id: EntryId) -> Option<&Arc<Unit>> {
        match self.entry(id).definition {
            Definition::Ir(unit, _) | Definition::Assembly(unit) => {
                self.unit(unit).filter(|unit| unit.is_frozen)
            }
            _ => None,
        }
    }

    /// Returns the function that a slot belongs to.
    pub(crate) fn of_slot(&self, slot: SlotId) -> Option<EntryId> {
        let id = self.by_slot.get(slot)?;
        self.entries.contains_key(id).then_some(id)
    }

    /// Returns the name of a removed function of which only the stub is left (a tombstone); `None`
    /// if the name is no longer remembered.
    pub(crate) fn tombstone(&self, slot: SlotId) -> Option<&Arc<str>> {
        self.tombstones.name(slot)
    }

    /// Records that a definition is in memory, and tells the extractor.
    pub(crate) fn set_present(&mut self, id: EntryId, located: Located) {
        let entry = self.entry_mut(id);
        entry.state = located.into();
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

    /// As [`Ledger::set_present`], also for a state in which the definition has no memory.
    pub(super) fn set_present_if(&mut self, id: EntryId, state: State) {
        match state {
            State::Present(address) => self.set_present(id, Located::At(address)),
            State::PerThread { module, offset } => {
                self.set_present(id, Located::PerThread { module, offset });
            }
            other => self.entry_mut(id).state = other,
        }
    }

    /// Returns the number of functions that have a definition.
    pub(crate) fn functions_defined(&self) -> u64 {
        let defined = self.entries.values().filter(|entry| {
            let here = entry.address_is_stub();
            here && entry.kind == EntryKind::Function
        });
        defined.count() as u64
    }
}
