//! Entering a unit's names: which of several definitions of a name is the one.
//!
//! As a static linker decides (gABI, "Symbol Table"): a strong definition beats a common one,
//! which beats a weak one; of common ones the largest; of weak ones the first; two strong ones
//! are an error. The first COMDAT group of a name counts, and later ones are left out whole.

use std::sync::Arc;

use rewire_llvm::{Global, GlobalKind, GlobalState, Linkage, Module, ModuleIndex, Ordinal, Source};

use super::{Definition, Entry, EntryId, EntryKind, Ledger, LibraryId, State};
use crate::error::Error;
use crate::unit::{Unit, UnitId, UnitPlace};

/// How much a definition weighs against others of its name.
fn rank(linkage: Linkage) -> u8 {
    match linkage {
        Linkage::Weak | Linkage::LinkOnce => 1,
        Linkage::Common => 2,
        _ => 3,
    }
}

fn kind_of(global: &Global) -> EntryKind {
    match global.kind {
        GlobalKind::Function | GlobalKind::Ifunc { .. } => EntryKind::Function,
        GlobalKind::Variable {
            thread_local: true, ..
        } => EntryKind::ThreadLocal,
        GlobalKind::Variable { .. } => EntryKind::Data,
        // What it stands for tells.
        GlobalKind::Alias { .. } | GlobalKind::Intrinsic => EntryKind::Unknown,
    }
}

fn size_of(global: &Global) -> u64 {
    match global.kind {
        GlobalKind::Variable { size, .. } => size,
        _ => 0,
    }
}

/// A definition that won.
struct Elected {
    ordinal: Ordinal,
    entry: EntryId,
}

impl Ledger {
    /// Enters the names of a module. Nothing changes when there is an error. Costs O(globals).
    pub(crate) fn add_unit(
        &mut self,
        source: Source,
        module: Module,
        index: ModuleIndex,
        place: UnitPlace,
    ) -> Result<Arc<Unit>, Error> {
        let id = UnitId(self.units.len() as u32);
        let library = place.library;
        self.check(library, &source.name, &index)?;
        let mut entries = Vec::with_capacity(index.globals.len());
        let mut elected = Vec::new();
        for (number, global) in index.globals.iter().enumerate() {
            let ordinal = Ordinal::new(number as u32);
            let entry = self.enter(library, ordinal, global, &mut elected);
            if let Some(entry) = entry {
                self.entry_mut(entry).described.get_or_insert((id, ordinal));
            }
            entries.push(entry);
        }
        for comdat in index
            .globals
            .iter()
            .filter_map(|global| global.comdat.as_ref())
        {
            let comdats = &mut self.namespace_mut(library).comdats;
            comdats.entry(comdat.clone()).or_insert(id);
        }
        let unit = Arc::new(Unit::new(id, source, module, index, entries, place));
        self.units.push(unit.clone());
        for one in &elected {
            self.elect(&unit, one);
        }
        Ok(unit)
    }

    fn is_left_out(&self, library: LibraryId, global: &Global) -> bool {
        global
            .comdat
            .as_ref()
            .is_some_and(|comdat| self.namespace(library).comdats.contains_key(comdat))
    }

    fn check(&self, library: LibraryId, unit: &Arc<str>, index: &ModuleIndex) -> Result<(), Error> {
        for global in &index.globals {
            if matches!(
                global.kind,
                GlobalKind::Alias { target: None } | GlobalKind::Ifunc { resolver: None }
            ) {
                return Err(Error::Alias {
                    unit: unit.clone(),
                    name: global.name.clone(),
                });
            }
            let is_strong = global.is_definition
                && global.linkage != Linkage::Local
                && global.kind != GlobalKind::Intrinsic
                && rank(global.linkage) == 3
                && !self.is_left_out(library, global);
            if !is_strong {
                continue;
            }
            let Some(known) = self.find(library, &global.name).map(|id| self.entry(id)) else {
                continue;
            };
            if known.is_bound {
                return Err(Error::Frozen {
                    name: global.name.clone(),
                    unit: unit.clone(),
                });
            }
            if rank(known.linkage) == 3
                && let Some(first) = self.defining_unit(known)
            {
                return Err(Error::Duplicate {
                    name: global.name.clone(),
                    first,
                    second: unit.clone(),
                });
            }
        }
        Ok(())
    }

    /// The name of the unit that an entry's definition comes from.
    pub(crate) fn defining_unit(&self, entry: &Entry) -> Option<Arc<str>> {
        let unit = match entry.definition {
            Definition::Assembly(unit) => Some(unit),
            _ => entry.elected.map(|(unit, _)| unit),
        };
        unit.map(|unit| self.unit(unit).name.clone())
    }

    fn enter(
        &mut self,
        library: LibraryId,
        ordinal: Ordinal,
        global: &Global,
        elected: &mut Vec<Elected>,
    ) -> Option<EntryId> {
        if global.kind == GlobalKind::Intrinsic {
            return None;
        }
        let entry = if global.linkage == Linkage::Local || global.name.is_empty() {
            let entry = self.add(Entry::new(library, global.name.clone()));
            elected.push(Elected { ordinal, entry });
            entry
        } else {
            let entry = self.find_or_enter(library, &global.name);
            if global.is_definition
                && !self.is_left_out(library, global)
                && self.wins(entry, global)
            {
                elected.push(Elected { ordinal, entry });
            } else {
                self.describe(entry, global);
            }
            entry
        };
        Some(entry)
    }

    /// A declaration says what a name is as long as nothing better does.
    fn describe(&mut self, entry: EntryId, global: &Global) {
        let known = self.entry_mut(entry);
        if known.type_name.is_none() {
            known.type_name = Some(global.type_name.clone());
            known.linkage = global.linkage;
        }
        if known.kind == EntryKind::Unknown {
            known.kind = kind_of(global);
        }
    }

    fn wins(&self, entry: EntryId, global: &Global) -> bool {
        let known = self.entry(entry);
        match known.definition {
            _ if known.is_bound => false,
            // Those who were linked with another library's definition stay with it.
            Definition::Alias(..) if known.elected.is_none() => true,
            Definition::None | Definition::Engine | Definition::Lazy => {
                // The host's data stays where it is: others use it already.
                known.kind == EntryKind::Function || !known.is_present()
            }
            _ if !matches!(known.state, State::Absent) => false,
            _ if global.linkage == Linkage::Common && known.linkage == Linkage::Common => {
                size_of(global) > known.size
            }
            _ => rank(global.linkage) > rank(known.linkage),
        }
    }

    /// Makes a definition the one of its name.
    fn elect(&mut self, unit: &Arc<Unit>, elected: &Elected) {
        let global = &unit.index.globals[elected.ordinal.index()];
        let definition = match global.kind {
            GlobalKind::Alias {
                target: Some((target, offset)),
            } => unit
                .entry(target)
                .map(|target| Definition::Alias(target, offset)),
            GlobalKind::Ifunc {
                resolver: Some(resolver),
            } => unit.entry(resolver).map(Definition::Ifunc),
            _ => None,
        };
        let definition = definition.unwrap_or(Definition::Ir(unit.id, elected.ordinal));
        let known = self.entry_mut(elected.entry);
        known.definition = definition;
        let before = known.elected.replace((unit.id, elected.ordinal));
        if let Some((loser, ordinal)) = before
            && loser != unit.id
        {
            self.unit(loser).set_state(ordinal, GlobalState::default());
        }
        let aliased = match definition {
            Definition::Alias(to, _) => self.entry(to).kind,
            _ => kind_of(global),
        };
        let is_code = global.type_name.ends_with(')');
        self.elect_front(unit, elected);
        let entry = self.entry_mut(elected.entry);
        entry.type_name = Some(global.type_name.clone());
        entry.described = Some((unit.id, elected.ordinal));
        entry.linkage = global.linkage;
        entry.visibility = global.visibility;
        entry.size = size_of(global);
        entry.state = State::Absent;
        entry.kind = match (aliased, is_code) {
            (EntryKind::Unknown, true) => EntryKind::Function,
            (EntryKind::Unknown, false) => EntryKind::Data,
            (kind, _) => kind,
        };
        let state = GlobalState {
            elected: true,
            placed: false,
        };
        unit.set_state(elected.ordinal, state);
    }

    /// What stands at the function's address comes from the elected definition, unless somebody
    /// took the address already: it stays.
    fn elect_front(&mut self, unit: &Unit, elected: &Elected) {
        let global = &unit.index.globals[elected.ordinal.index()];
        let known = self.entry(elected.entry).front;
        if known.is_some_and(|front| self.entry(front).is_present()) {
            return;
        }
        let front = global.has_front.then(|| {
            let mut front = Entry::new(unit.library, global.name.clone());
            front.kind = EntryKind::Data;
            front.definition = Definition::Front(unit.id, elected.ordinal);
            self.add(front)
        });
        self.entry_mut(elected.entry).front = front;
    }

    /// Enters a module that brings a new body for a function, whose entry leads to the new
    /// definition from now on. Nothing changes when there is an error.
    pub(crate) fn begin_replacement(
        &mut self,
        id: EntryId,
        source: Source,
        module: Module,
        index: ModuleIndex,
    ) -> (Arc<Unit>, Ordinal) {
        let unit_id = UnitId(self.units.len() as u32);
        let library = self.entry(id).library;
        let name = self.entry(id).name.clone();
        let place = UnitPlace {
            library,
            is_frozen: false,
        };
        let mut entries = Vec::with_capacity(index.globals.len());
        let mut elected = Vec::new();
        let mut body = Ordinal::new(0);
        for (place, global) in index.globals.iter().enumerate() {
            let ordinal = Ordinal::new(place as u32);
            if global.is_definition && global.name == name {
                body = ordinal;
                entries.push(Some(id));
            } else {
                entries.push(self.enter(library, ordinal, global, &mut elected));
            }
        }
        let unit = Arc::new(Unit::new(unit_id, source, module, index, entries, place));
        self.units.push(unit.clone());
        for one in &elected {
            self.elect(&unit, one);
        }
        let entry = self.entry_mut(id);
        entry.is_being_replaced = true;
        entry.definition = Definition::Ir(unit_id, body);
        entry.elected = Some((unit_id, body));
        unit.set_state(
            body,
            GlobalState {
                elected: true,
                placed: false,
            },
        );
        (unit, body)
    }
}
