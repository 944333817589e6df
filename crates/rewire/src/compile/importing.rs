//! Finds the bodies of other units for the optimiser to inline.
//!
//! The ledger knows what a called name stands for, whichever unit that is in and however long ago
//! it was added. The definition in force is copied from its unit's module; what it names in turn is
//! told to the linker by entries, so private globals stay the one original.

use std::sync::Arc;

use rewire_llvm::{GlobalKind, Import, ImportSource, ImportedName, Ordinal};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::core::Core;
use crate::ledger::unit::Unit;
use crate::ledger::{Definition, EntryId, EntryKind, Ledger};
use crate::link::{Imported, Imports};

/// The definitions of other units for one object of a unit.
pub(super) struct OtherUnits<'c> {
    core: &'c Core,
    unit: &'c Unit,
    imports: Imports,
    /// The numbers of the globals that imported bodies name.
    numbers: FxHashMap<EntryId, Ordinal>,
}

/// A definition in force.
struct Found {
    unit: Arc<Unit>,
    ordinal: Ordinal,
    entry: EntryId,
}

impl<'c> OtherUnits<'c> {
    pub(super) fn new(core: &'c Core, unit: &'c Unit) -> Self {
        Self {
            core,
            unit,
            imports: Imports::default(),
            numbers: FxHashMap::default(),
        }
    }

    /// Returns what the numbers mean that the object tells imported globals by.
    pub(super) fn into_imports(self) -> Imports {
        self.imports
    }

    /// Returns the entry of a global of the object's unit, or of one that was imported.
    fn entry_of(&self, number: Ordinal) -> Option<EntryId> {
        let imported = self.imports.get(self.unit.index.globals.len(), number);
        imported
            .map(|one| one.entry)
            .or_else(|| self.unit.entry(number))
    }

    /// Returns the definition in force of a name, if it is IR of another unit and code may hold a
    /// copy of it.
    fn definition(&self, named: EntryId) -> Option<Found> {
        let mut ledger = self.core.ledger();
        ledger.import(named);
        let (entry, offset) = ledger.target(named);
        let Definition::Ir(unit, ordinal) = ledger.entry(entry).definition() else {
            return None;
        };
        let unit = ledger.unit(unit)?.clone();
        // While new objects are constructed, most threads call the former bodies.
        let may_be_copied = offset == 0
            && unit.id != self.unit.id
            && !ordinal.is_own_copy()
            && !unit.is_apart(ordinal)
            && !ledger.is_gated(entry);
        may_be_copied.then_some(Found {
            unit,
            ordinal,
            entry,
        })
    }

    /// Returns what a global that a definition of another unit names is in the object; `None` if
    /// the object can't name it.
    fn name(&mut self, ledger: &mut Ledger, from: &Unit, ordinal: Ordinal) -> Option<ImportedName> {
        let id = from.entry(ordinal)?;
        ledger.import(id);
        let (entry, offset) = ledger.target(id);
        if offset != 0 {
            return None;
        }
        let global = &from.index.globals[ordinal.index()];
        let mut name = ImportedName {
            ordinal,
            number: ordinal,
            name: None,
            is_near: global.is_local(),
            is_current: ledger.entry(entry).elected() == Some((from.id, ordinal)),
        };
        // The optimiser takes two names for two places, so what the object's unit has a name for
        // goes by that name.
        if let Some(own) = self.own(ledger, entry) {
            name.number = own;
            return Some(name);
        }
        let known = ledger.entry(entry);
        let is_function =
            known.kind() == EntryKind::Function || global.kind == GlobalKind::Function;
        let may_have_other_names = match known.definition() {
            Definition::Ir(unit, ordinal) => ledger.unit(unit)?.is_aliased(ordinal),
            _ => known.library() != self.unit.library,
        };
        if may_have_other_names && !is_function {
            return None;
        }
        let number = match self.numbers.get(&entry) {
            Some(number) => *number,
            None => {
                let imported = Imported {
                    entry,
                    definition: known.elected(),
                    names: SmallVec::new(),
                    is_function,
                };
                let number = self.imports.add(self.unit.index.globals.len(), imported);
                self.numbers.insert(entry, number);
                number
            }
        };
        let is_plain = !global.is_local()
            && from.library == self.unit.library
            && !self.unit.says(&global.name)
            && self.unit.local(&global.name).is_none()
            && ledger.find(self.unit.library, &global.name) == Some(id);
        name.number = number;
        name.name = Some(match is_plain {
            true => global.name.clone(),
            false => format!("{}.rewire.{}", global.name, number.bits()).into(),
        });
        Some(name)
    }

    /// Returns the global of the object's own unit that stands for an entry.
    fn own(&self, ledger: &Ledger, entry: EntryId) -> Option<Ordinal> {
        if let Some(own) = self.unit.ordinal_of(entry) {
            return Some(own);
        }
        // A name of the unit's library that stands for another library's.
        let imported = ledger.find(self.unit.library, ledger.entry(entry).name())?;
        let own = self.unit.ordinal_of(imported)?;
        (ledger.target(imported) == (entry, 0)).then_some(own)
    }
}

impl ImportSource for OtherUnits<'_> {
    fn find(&mut self, number: Ordinal, most: usize) -> Option<Import> {
        let named = self.entry_of(number)?;
        let found = self.definition(named)?;
        // A body that can't be read is an error when it is called.
        let mut copy = found.unit.intact_copy().ok()?;
        let exported = copy.export(found.ordinal, most)?;
        drop(copy);
        let mut ledger = self.core.ledger();
        let references = exported.references.iter();
        let names = references.map(|one| self.name(&mut ledger, &found.unit, *one));
        let names = names.collect::<Option<Vec<ImportedName>>>()?;
        let imported = Imported {
            entry: found.entry,
            definition: Some((found.unit.id, found.ordinal)),
            names: (named != found.entry)
                .then_some(named)
                .into_iter()
                .collect(),
            is_function: ledger.entry(found.entry).kind() == EntryKind::Function,
        };
        let number = self.imports.add(self.unit.index.globals.len(), imported);
        Some(Import {
            bitcode: exported.bitcode,
            ordinal: found.ordinal,
            number,
            names,
        })
    }
}
