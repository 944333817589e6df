//! [`View`]: the ledger as it will be once the change that is being linked is committed.

use std::ops::{Deref, DerefMut};

use rewire_llvm::Ordinal;

use super::imported::Imported;
use super::{Object, Purpose};
use crate::base::ids::UnitKey;
use crate::ledger::unit::Unit;
use crate::ledger::{Definition, Demand, EntryId, Ledger, PlannedNames, PlannedTarget};

/// The ledger, overlaid with what a change has planned for some names. Methods here answer what the
/// plan decides; everything else is the ledger's own.
#[derive(Debug)]
pub(crate) struct View<'l, 'p> {
    ledger: &'l mut Ledger,
    planned: Option<&'p PlannedNames>,
    /// The function that gets another body of the definition that it has.
    rebuilt: Option<EntryId>,
    /// Whether that body is a continuation, which a definition that has left may get as well.
    continues: bool,
}

impl<'l, 'p> View<'l, 'p> {
    pub(crate) fn new(ledger: &'l mut Ledger, purpose: Purpose<'p>) -> Self {
        Self {
            ledger,
            planned: purpose.planned(),
            rebuilt: purpose.rebuilt(),
            continues: purpose.head().is_some(),
        }
    }

    /// Returns the definition that a name will stand for.
    pub(crate) fn definition(&self, id: EntryId) -> Definition {
        let planned = self.planned.and_then(|planned| planned.definition(id));
        planned.unwrap_or(self.entry(id).definition())
    }

    /// Whether a unit's IR has the definition that a name will stand for.
    pub(crate) fn is_owner(&self, unit: &Unit, id: EntryId) -> bool {
        if self.continues && self.rebuilt == Some(id) {
            return true;
        }
        match self.definition(id) {
            Definition::Ir(owner, _) | Definition::PrefixedStub(owner, _) => owner == unit.id,
            _ => false,
        }
    }

    /// Whether an object's copies are of what their names will stand for.
    pub(crate) fn are_current(&self, object: &Object) -> bool {
        object.folds.iter().all(|number| {
            let unit = &object.unit;
            if let Some(imported) = object.imported(*number) {
                return self.is_current(imported);
            }
            // A body that is only there to be inlined defines no name.
            let is_definition = unit.index.globals[number.index()].is_definition;
            let Some(id) = unit.entry(*number).filter(|_| is_definition) else {
                return true;
            };
            self.elected(id) == Some((unit.id, *number))
        })
    }

    fn is_current(&self, imported: &Imported) -> bool {
        let mut names = imported.names.iter();
        let is_in_force = match imported.definition {
            Some(definition) => self.elected(imported.entry) == Some(definition),
            None => self.target(imported.entry).is_none() && self.may_be_described(imported.entry),
        };
        is_in_force && names.all(|name| self.call_target(*name) == (imported.entry, 0))
    }

    /// Returns the definition that will be in force for a name.
    fn elected(&self, id: EntryId) -> Option<(UnitKey, Ordinal)> {
        let target = self.target(id).map(|target| (target.unit, target.ordinal));
        target.or(self.entry(id).elected())
    }

    /// Whether a name's definition is in memory and will stay there.
    pub(crate) fn stays_present(&self, id: EntryId) -> bool {
        self.entry(id).is_present() && self.target(id).is_none_or(PlannedTarget::keeps_memory)
    }

    /// Whether a name's definition needs memory, or other memory than it has.
    pub(crate) fn needs_memory(&self, id: EntryId) -> bool {
        match self.target(id) {
            Some(target) => !target.keeps_memory(),
            None if self.rebuilt == Some(id) => self.continues || self.entry(id).is_present(),
            None => !self.entry(id).is_present() || self.planned_assembly(id).is_some(),
        }
    }

    /// Returns the unit whose assembly will define a name that another unit's assembly defines now.
    pub(crate) fn planned_assembly(&self, id: EntryId) -> Option<UnitKey> {
        self.planned?.assembly.get(&id).copied()
    }

    /// Whether this is a change, in which names may get other memory than they have.
    pub(crate) fn is_change(&self) -> bool {
        self.planned.is_some()
    }

    /// Returns the function that calls of a name will go to, and an offset from it. An alias for
    /// which the change brings a body is that function itself.
    pub(crate) fn call_target(&self, id: EntryId) -> (EntryId, i64) {
        match self.target(id) {
            Some(_) => (id, 0),
            None => self.ledger.target(id),
        }
    }

    /// Whether a name will stand for another definition than it does now.
    pub(crate) fn changes(&self, id: EntryId) -> bool {
        self.target(id).is_some() || self.planned_assembly(id).is_some()
    }

    /// Returns what all definitions and declarations of a variable require of its memory.
    pub(crate) fn demand(&self, id: EntryId) -> Demand {
        let elected = self.target(id).map(|target| (target.unit, target.ordinal));
        self.ledger.demand(id, elected)
    }

    fn target(&self, id: EntryId) -> Option<&'p PlannedTarget> {
        self.planned?.targets.get(&id)
    }
}

impl Deref for View<'_, '_> {
    type Target = Ledger;

    fn deref(&self) -> &Ledger {
        self.ledger
    }
}

impl DerefMut for View<'_, '_> {
    fn deref_mut(&mut self) -> &mut Ledger {
        self.ledger
    }
}
