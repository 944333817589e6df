//! Finds the bodies of other units for the optimiser to inline.
//!
//! The ledger knows what a called name stands for, whichever unit that is in and however long ago
//! it was added. The definition in force is copied from its unit's module; what it names in turn is
//! told to the linker by entries, so private globals stay the one original.

use std::sync::Arc;

use rewire_llvm::{Global, GlobalKind, Import, ImportSource, ImportedName, Ordinal, Visibility};
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
    /// Whether it is an inline source's, which describes code that lives elsewhere.
    is_outside: bool,
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

    /// Returns the definition in force of a name, if there is IR of it outside of the object's unit
    /// and code may hold a copy of it.
    fn definition(&self, named: EntryId) -> Option<Found> {
        let mut ledger = self.core.ledger();
        ledger.import(named);
        let (entry, offset) = ledger.target(named);
        let Definition::Ir(unit, ordinal) = ledger.entry(entry).definition() else {
            let described = ledger.described_outside(entry, self.unit.library);
            let (source, ordinal) = described.filter(|_| offset == 0)?;
            return Some(Found {
                unit: source.unit.clone(),
                ordinal,
                entry,
                is_outside: true,
            });
        };
        let unit = ledger.unit(unit)?.clone();
        // While new objects are constructed, most threads call the former bodies.
        let may_be_copied = offset == 0
            && !unit.is_object()
            && unit.id != self.unit.id
            && !ordinal.is_own_copy()
            && !unit.is_apart(ordinal)
            && may_be_shown(&unit.index.globals[ordinal.index()])
            && !ledger.is_gated(entry);
        may_be_copied.then_some(Found {
            unit,
            ordinal,
            entry,
            is_outside: false,
        })
    }

    /// Returns the entry of a global that a definition names.
    fn named_by(&self, ledger: &mut Ledger, found: &Found, ordinal: Ordinal) -> Option<EntryId> {
        if !found.is_outside {
            return found.unit.entry(ordinal);
        }
        let global = &found.unit.index.globals[ordinal.index()];
        let is_private = global.is_local() || global.visibility == Visibility::Hidden;
        (!is_private).then(|| ledger.find_or_enter(found.unit.library, &global.name))
    }

    /// Returns what a constant of an inline source is in the object that nobody else can name, and
    /// whose value the object may have for itself.
    fn private_copy(&mut self, found: &Found, ordinal: Ordinal) -> Option<ImportedName> {
        let global = &found.unit.index.globals[ordinal.index()];
        if !found.is_outside || !matches!(global.kind, GlobalKind::Variable { constant: true, .. })
        {
            return None;
        }
        let unknown = Imported {
            entry: EntryId::default(),
            definition: None,
            names: SmallVec::new(),
            is_function: false,
        };
        Some(ImportedName {
            ordinal,
            number: self.imports.add(self.unit.index.globals.len(), unknown),
            name: Some("copied".into()),
            is_near: true,
            is_current: true,
            is_private: true,
        })
    }

    /// Returns what a global that a definition of another unit names is in the object; `None` if
    /// the object can't name it.
    fn name(
        &mut self,
        ledger: &mut Ledger,
        found: &Found,
        ordinal: Ordinal,
    ) -> Option<ImportedName> {
        let from = &found.unit;
        let Some(id) = self.named_by(ledger, found, ordinal) else {
            return self.private_copy(found, ordinal);
        };
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
            is_private: false,
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

    /// Whether the host has the functions that a body of an inline source names and the source
    /// defines: the compiler of its machine code may have inlined them everywhere.
    fn are_reachable(&self, found: &Found, named: &[Ordinal]) -> bool {
        let globals = &found.unit.index.globals;
        let others = named.iter().filter(|one| **one != found.ordinal);
        let described = others.filter(|one| {
            let global = &globals[one.index()];
            global.is_definition && !global.is_local() && global.kind == GlobalKind::Function
        });
        let mut described = described.map(|one| &globals[one.index()].name);
        described.all(|name| {
            let known = {
                let ledger = self.core.ledger();
                let id = ledger.find(found.unit.library, name);
                id.map(|id| ledger.entry(id).is_present() || !ledger.may_be_described(id))
            };
            known == Some(true) || (self.core.above.host_symbol)(name, false).is_some()
        })
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

/// Whether a global is a function, or a constant whose value may be folded.
fn may_be_shown(global: &Global) -> bool {
    match &global.kind {
        GlobalKind::Function => true,
        GlobalKind::Variable {
            constant,
            thread_local,
            ..
        } => *constant && !thread_local,
        _ => false,
    }
}

impl ImportSource for OtherUnits<'_> {
    fn is_elsewhere(&mut self, number: Ordinal) -> bool {
        let Some(named) = self.entry_of(number) else {
            return false;
        };
        let mut ledger = self.core.ledger();
        ledger.import(named);
        let (entry, _) = ledger.target(named);
        ledger.entry(entry).definition() != Definition::None
    }

    fn find(&mut self, number: Ordinal, most: usize) -> Option<Import> {
        let named = self.entry_of(number)?;
        let found = self.definition(named)?;
        // A body that can't be read is an error when it is called.
        let mut copy = found.unit.intact_copy().ok()?;
        let exported = copy.export(found.ordinal, most)?;
        drop(copy);
        let mut ledger = self.core.ledger();
        let references = exported.references.iter();
        let names = references.map(|one| self.name(&mut ledger, &found, *one));
        let names = names.collect::<Option<Vec<ImportedName>>>()?;
        if found.is_outside {
            drop(ledger);
            if !self.are_reachable(&found, &exported.references) {
                return None;
            }
            ledger = self.core.ledger();
        }
        let imported = Imported {
            entry: found.entry,
            definition: (!found.is_outside).then_some((found.unit.id, found.ordinal)),
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
