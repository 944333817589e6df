//! [`PlannedNames`]: what names will stand for once a change is committed.

use std::collections::HashMap;

use rewire_llvm::Ordinal;
use rustc_hash::{FxBuildHasher, FxHashSet};

use super::{Definition, EntryId, NonIrDefinition};
use crate::base::ids::UnitKey;

/// The definition that a name will stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlannedTarget {
    pub(crate) unit: UnitKey,
    pub(crate) ordinal: Ordinal,
    /// What the new definition gets of the former variable's memory.
    pub(crate) memory: InheritedMemory,
}

/// What a variable's new definition gets from the former one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InheritedMemory {
    /// Nothing: it gets new memory, with its initial value.
    Nothing,
    /// The value, copied to new memory.
    Value,
    /// The memory, and with it the value.
    Memory,
}

impl PlannedTarget {
    /// Whether the variable keeps its memory.
    pub(crate) fn keeps_memory(&self) -> bool {
        self.memory == InheritedMemory::Memory
    }
}

/// What names will stand for once a change is committed.
#[derive(Debug, Default)]
pub(crate) struct PlannedNames {
    /// The names with new definitions, in the order of the change.
    pub(crate) order: Vec<EntryId>,
    pub(crate) targets: HashMap<EntryId, PlannedTarget, FxBuildHasher>,
    /// Names that get a definition back that isn't IR.
    pub(crate) given: Vec<(EntryId, NonIrDefinition)>,
    /// Names whose definitions are removed.
    pub(crate) withdrawn: OrderedNames,
    /// Of the removed names, those that assembly of a leaving unit defines, and that assembly of
    /// the unit given here defines anew.
    pub(crate) assembly: HashMap<EntryId, UnitKey, FxBuildHasher>,
    /// Functions whose machine code is dropped, to be compiled again when they are called.
    pub(crate) stale: OrderedNames,
    /// Units that are removed.
    pub(crate) leaving: Vec<UnitKey>,
    /// Names whose former definitions are overridden by another unit's definition, rather than
    /// replaced by a new version.
    pub(crate) overridden: FxHashSet<EntryId>,
    /// Whether the change can be undone: if so, what names stood for is kept.
    pub(crate) is_remembered: bool,
    /// Whether a construction gate keeps other threads out of the new code until the objects that
    /// it needs are constructed.
    pub(crate) is_gated: bool,
    /// Whether all static objects are destroyed and constructed anew meanwhile.
    pub(crate) renews_objects: bool,
}

/// A set of names in the order of insertion.
#[derive(Debug, Default)]
pub(crate) struct OrderedNames {
    order: Vec<EntryId>,
    all: FxHashSet<EntryId>,
}

impl OrderedNames {
    /// Adds a name; returns whether it is new.
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
    /// Returns the names that get another definition, or none.
    pub(super) fn changed(&self) -> impl Iterator<Item = &EntryId> + Clone {
        let given = self.given.iter().map(|(id, _)| id);
        self.order.iter().chain(self.withdrawn.iter()).chain(given)
    }

    /// Returns the functions whose machine code is dropped and that get no other definition.
    pub(super) fn only_stale(&self) -> impl Iterator<Item = &EntryId> + Clone {
        let is_only = |id: &&EntryId| !self.targets.contains_key(*id);
        self.stale.iter().filter(is_only)
    }

    /// Returns the names whose new code will be called.
    pub(super) fn arriving(&self) -> impl Iterator<Item = &EntryId> + Clone {
        self.order.iter().chain(self.only_stale())
    }

    /// Plans what a name will stand for. Returns what was planned before.
    pub(crate) fn set(&mut self, id: EntryId, target: PlannedTarget) -> Option<PlannedTarget> {
        let before = self.targets.insert(id, target);
        if before.is_none() {
            self.order.push(id);
        }
        before
    }

    /// Returns the definition that the change plans for a name, if it plans one.
    pub(crate) fn definition(&self, id: EntryId) -> Option<Definition> {
        let target = self.targets.get(&id)?;
        Some(Definition::Ir(target.unit, target.ordinal))
    }
}
