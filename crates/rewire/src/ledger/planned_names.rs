//! What names will stand for, once a change is committed.

use std::collections::HashMap;

use rewire_llvm::Ordinal;
use rustc_hash::{FxBuildHasher, FxHashSet};

use super::{Definition, EntryId, NonIrDefinition};
use crate::base::ids::UnitKey;

/// What a name will stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlannedTarget {
    pub(crate) unit: UnitKey,
    pub(crate) ordinal: Ordinal,
    /// What becomes of the memory of a variable that the name stood for.
    pub(crate) memory: InheritedMemory,
}

/// What a variable's new definition gets of the former one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InheritedMemory {
    /// Nothing: it has memory of its own, with its initial value.
    Nothing,
    /// The value, in memory of its own.
    Value,
    /// The memory, and so the value.
    Memory,
}

impl PlannedTarget {
    /// Whether the variable stays where it is.
    pub(crate) fn keeps_memory(&self) -> bool {
        self.memory == InheritedMemory::Memory
    }
}

/// What names will stand for, once a change is committed.
#[derive(Debug, Default)]
pub(crate) struct PlannedNames {
    /// In the order of the change.
    pub(crate) order: Vec<EntryId>,
    pub(crate) targets: HashMap<EntryId, PlannedTarget, FxBuildHasher>,
    /// Names that stand again for what isn't of IR.
    pub(crate) given: Vec<(EntryId, NonIrDefinition)>,
    /// Names whose definitions leave.
    pub(crate) withdrawn: OrderedNames,
    /// Those of them that assembly of a unit which leaves defines, and that of this unit defines
    /// anew.
    pub(crate) assembly: HashMap<EntryId, UnitKey, FxBuildHasher>,
    /// Functions whose machine code leaves, to be made again when they are called.
    pub(crate) stale: OrderedNames,
    /// Units that leave.
    pub(crate) leaving: Vec<UnitKey>,
    /// Names whose former definitions lose them to another file's, rather than to a new version.
    pub(crate) overridden: FxHashSet<EntryId>,
    /// It can be undone: what names stood for is kept.
    pub(crate) is_remembered: bool,
    /// New code isn't let in before objects that it needs are constructed.
    pub(crate) is_gated: bool,
    /// All objects are destroyed and made anew meanwhile.
    pub(crate) renews_objects: bool,
}

/// Names, each once, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct OrderedNames {
    order: Vec<EntryId>,
    all: FxHashSet<EntryId>,
}

impl OrderedNames {
    /// Whether it is new.
    pub(crate) fn insert(&mut self, id: EntryId) -> bool {
        let is_new = self.all.insert(id);
        if is_new {
            self.order.push(id);
        }
        is_new
    }

    pub(crate) fn contains(&self, id: EntryId) -> bool {
        self.all.contains(&id)
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, EntryId> {
        self.order.iter()
    }
}

impl PlannedNames {
    /// The names that get another definition, or none.
    pub(super) fn changed(&self) -> impl Iterator<Item = &EntryId> + Clone {
        let given = self.given.iter().map(|(id, _)| id);
        self.order.iter().chain(self.withdrawn.iter()).chain(given)
    }

    /// The functions whose machine code leaves and that get no other definition.
    pub(super) fn only_stale(&self) -> impl Iterator<Item = &EntryId> + Clone {
        let is_only = |id: &&EntryId| !self.targets.contains_key(*id);
        self.stale.iter().filter(is_only)
    }

    /// The names whose new code will be called.
    pub(super) fn arriving(&self) -> impl Iterator<Item = &EntryId> + Clone {
        self.order.iter().chain(self.only_stale())
    }

    /// Has a name stand for something else.
    pub(crate) fn set(&mut self, id: EntryId, target: PlannedTarget) {
        if self.targets.insert(id, target).is_none() {
            self.order.push(id);
        }
    }

    /// Where a name's definition will be, if the change says so.
    pub(crate) fn definition(&self, id: EntryId) -> Option<Definition> {
        let target = self.targets.get(&id)?;
        Some(Definition::Ir(target.unit, target.ordinal))
    }
}
