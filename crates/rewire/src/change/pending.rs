//! [`PendingChange`]: the state of a change or of an undoing that isn't committed yet.

use std::sync::Arc;
use std::time::Instant;

use rewire_llvm::Ordinal;
use rustc_hash::{FxHashMap, FxHashSet};

use super::changed::Changed;
use super::construction::Construction;
use super::steps::TypeChange;
use crate::base::ids::UnitKey;
use crate::core::Core;
use crate::ledger::unit::Unit;
use crate::ledger::{
    EntryId, InheritedMemory, Ledger, LibraryId, OrderedNames, PlannedNames, PlannedTarget,
    Standing,
};
use crate::link::Object;
use crate::process::unit_endings;

/// How often a function is replaced before its callers stop inlining it: each replacement has them
/// compiled again.
const MOST_INLINED_REPLACEMENTS: u32 = 3;

/// A change that isn't committed yet.
pub(super) struct PendingChange<'c> {
    pub(super) core: &'c Core,
    pub(super) library: LibraryId,
    pub(super) type_change: TypeChange,
    /// Whether replaced variables start with their new initial values.
    pub(super) resets_variables: bool,
    pub(super) is_forced: bool,
    /// Whether all static objects are destroyed and reconstructed.
    pub(super) renews_objects: bool,
    pub(super) planned: PlannedNames,
    /// What has to be constructed in the joined units.
    pub(super) constructions: Vec<(Arc<Unit>, Construction)>,
    /// Global variables that get other memory although their type is unchanged.
    pub(super) renewed: FxHashSet<EntryId>,
    /// What leaving units still have to run.
    pub(super) endings: Vec<(Arc<Unit>, unit_endings::EndingBodies)>,
    /// The names that this change has claimed, so that no other change may touch them.
    pub(super) claimed: Vec<EntryId>,
    pub(super) joined: Vec<(Arc<Unit>, Standing)>,
    /// Names that nothing defined before; they stand for the change's definitions at once.
    pub(super) new: Vec<EntryId>,
    /// Names whose former definitions the change removes; they may be defined as if they were new.
    pub(super) going: FxHashSet<EntryId>,
    /// The names that the modules' assembly defines, with the defining unit.
    pub(super) assembled: FxHashMap<Arc<str>, UnitKey>,
    /// The modules' assembly, until it is linked.
    pub(super) assemblies: Vec<Object>,
    pub(super) changed: Changed,
    /// Constants that contain a former address of something.
    pub(super) stale_constants: OrderedNames,
    /// Functions that modules of this change declare with other types than others do.
    pub(super) retyped: FxHashSet<EntryId>,
    pub(super) waited: Option<(Arc<str>, Instant)>,
    /// Its number among the changes that can be undone.
    pub(super) number: Option<u64>,
}

impl<'c> PendingChange<'c> {
    pub(super) fn new(core: &'c Core, library: LibraryId) -> Self {
        Self {
            core,
            library,
            type_change: TypeChange::default(),
            resets_variables: false,
            is_forced: false,
            renews_objects: false,
            constructions: Vec::new(),
            renewed: FxHashSet::default(),
            endings: Vec::new(),
            planned: PlannedNames {
                is_remembered: core.history.depth() > 0,
                ..PlannedNames::default()
            },
            claimed: Vec::new(),
            joined: Vec::new(),
            new: Vec::new(),
            going: FxHashSet::default(),
            assembled: FxHashMap::default(),
            assemblies: Vec::new(),
            changed: Changed::default(),
            stale_constants: OrderedNames::default(),
            retyped: FxHashSet::default(),
            waited: None,
            number: None,
        }
    }

    pub(super) fn plan(
        &mut self,
        ledger: &Ledger,
        unit: &Arc<Unit>,
        ordinal: Ordinal,
        id: EntryId,
        memory: InheritedMemory,
    ) {
        let target = PlannedTarget {
            unit: unit.id,
            ordinal,
            memory,
        };
        if let Some(given_up) = self.planned.set(id, target)
            && let Some(unit) = ledger.unit(given_up.unit)
        {
            unit.set_state(given_up.ordinal, rewire_llvm::GlobalState::default());
        }
        // The name's first definition is generation 1.
        if ledger.entry(id).generation().get() > MOST_INLINED_REPLACEMENTS {
            unit.set_apart(ordinal);
        }
        unit.set_state(
            ordinal,
            rewire_llvm::GlobalState {
                elected: true,
                placed: target.keeps_memory() && ledger.entry(id).is_present(),
            },
        );
    }
}
