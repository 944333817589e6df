//! A change on its way, and what is known of it so far.

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

/// A change on its way.
pub(super) struct PendingChange<'c> {
    pub(super) core: &'c Core,
    pub(super) library: LibraryId,
    pub(super) type_change: TypeChange,
    /// Variables that are replaced begin anew.
    pub(super) resets_variables: bool,
    pub(super) is_forced: bool,
    /// All objects are destroyed and made anew.
    pub(super) renews_objects: bool,
    pub(super) planned: PlannedNames,
    /// What the joined units construct.
    pub(super) constructions: Vec<(Arc<Unit>, Construction)>,
    /// Global variables that get other memory though their type is the same.
    pub(super) renewed: FxHashSet<EntryId>,
    /// What units that leave have still to run.
    pub(super) endings: Vec<(Arc<Unit>, unit_endings::EndingBodies)>,
    /// The names that no other change may touch meanwhile.
    pub(super) claimed: Vec<EntryId>,
    pub(super) joined: Vec<(Arc<Unit>, Standing)>,
    /// Names that nothing defined: theirs at once.
    pub(super) new: Vec<EntryId>,
    /// Names whose former definitions the change takes away: they may be defined as if new.
    pub(super) going: FxHashSet<EntryId>,
    /// What the module-level assembly of its modules defines.
    pub(super) assembled: FxHashMap<Arc<str>, UnitKey>,
    /// That assembly, until it is linked.
    pub(super) assemblies: Vec<Object>,
    pub(super) changed: Changed,
    /// Constants that hold a place which is another's now.
    pub(super) stale_constants: OrderedNames,
    /// Functions that modules of this change take for something else than others do.
    pub(super) retyped: FxHashSet<EntryId>,
    pub(super) waited: Option<(Arc<str>, Instant)>,
    /// Its place among those that can be undone.
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
        self.planned.set(id, target);
        unit.set_state(
            ordinal,
            rewire_llvm::GlobalState {
                elected: true,
                placed: target.keeps_memory() && ledger.entry(id).is_present(),
            },
        );
    }
}
