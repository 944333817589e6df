//! Enters a unit's names, and elects one of several definitions of a name.
//!
//! The rules are a static linker's (gABI, "Symbol Table"): a strong definition beats a common one,
//! which beats a weak one. Of common ones the largest wins, of weak ones the first; two strong ones
//! are an error. The first COMDAT group of a name counts; later ones are left out as a whole.

use std::sync::Arc;

use rewire_llvm::{Global, GlobalKind, GlobalState, Linkage, Module, ModuleIndex, Ordinal, Source};

use super::globals::{is_local, kind_of, rank, size_of};
use super::{
    Definition, Entry, EntryId, EntryKind, Ledger, LibraryId, State, ThreadKey, ValueType,
};
use rustc_hash::{FxHashMap, FxHashSet};

use super::unit::{Inherited, Unit, UnitPlace};
use crate::base::error::Error;
use crate::base::ids::UnitKey;

/// What happens to a definition that is in memory when a stronger one is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weighing {
    /// It stays in force.
    InMemoryStays,
    /// A function gives way, because its callers can be redirected. Whether it was called or
    /// compiled ahead makes no difference to what its name stands for.
    FunctionsGiveWay,
}

/// A definition that was elected.
struct Elected {
    ordinal: Ordinal,
    entry: EntryId,
}

impl Ledger {
    /// Enters the names of a module, which need not be read yet. On an error, nothing has changed.
    /// Costs O(globals).
    pub(crate) fn add_unit(
        &mut self,
        source: Source,
        module: Option<Module>,
        index: ModuleIndex,
        place: UnitPlace,
    ) -> Result<Arc<Unit>, Error> {
        self.check(place.library, &source.name, &index, &FxHashSet::default())?;
        let mut elected = Vec::new();
        let none = FxHashMap::default();
        let entries = self.enter_all(
            place.library,
            &index,
            &none,
            |ledger, ordinal, global, id| {
                if ledger.has_won(place.library, global, id, Weighing::InMemoryStays) {
                    elected.push(Elected { ordinal, entry: id });
                }
            },
        );
        let unit = self.insert_unit(place.standing, |id| {
            Unit::new(
                id,
                source,
                module,
                index,
                entries,
                place,
                Inherited::default(),
            )
        });
        self.mention_all(&unit);
        self.enter_comdats(&unit);
        for one in &elected {
            self.elect(&unit, one.ordinal, one.entry);
        }
        self.note_losers(&unit);
        self.settle_aliases(&unit);
        Ok(unit)
    }

    /// Finds or creates the entry of each global.
    pub(super) fn enter_all(
        &mut self,
        library: LibraryId,
        index: &ModuleIndex,
        known: &FxHashMap<Ordinal, EntryId>,
        mut with: impl FnMut(&mut Self, Ordinal, &Global, EntryId),
    ) -> Vec<Option<EntryId>> {
        let mut entries = Vec::with_capacity(index.globals.len());
        self.entries.reserve(index.globals.len());
        for (number, global) in index.globals.iter().enumerate() {
            if global.kind == GlobalKind::Intrinsic {
                entries.push(None);
                continue;
            }
            let ordinal = Ordinal::new(number as u32);
            let id = if let Some(id) = known.get(&ordinal) {
                *id
            } else if is_local(global) {
                self.add(Entry::new(library, global.name.clone()))
            } else {
                self.find_or_enter(library, &global.name)
            };
            with(self, ordinal, global, id);
            entries.push(Some(id));
        }
        entries
    }

    /// Whether a global of a unit that is being added is elected for its name. If not, it still
    /// describes the name (type, kind) until something better does.
    pub(super) fn has_won(
        &mut self,
        library: LibraryId,
        global: &Global,
        id: EntryId,
        weighing: Weighing,
    ) -> bool {
        if is_local(global) {
            return true;
        }
        // The COMDAT group that counts may not define this name, or no longer.
        let is_left_out =
            self.is_left_out(library, global) && self.entry(id).definition != Definition::None;
        let wins = global.is_definition && !is_left_out && self.wins(id, global, weighing);
        if !wins {
            self.describe(id, global);
        }
        wins
    }

    /// Enters the unit's COMDAT groups. The first group of a name counts.
    pub(super) fn enter_comdats(&mut self, unit: &Unit) {
        let globals = unit.index.globals.iter();
        for comdat in globals.filter_map(|global| global.comdat.as_ref()) {
            let comdats = &mut self.namespace_mut(unit.library).comdats;
            comdats.entry(comdat.clone()).or_insert(unit.id);
        }
    }

    /// Records the unit's definitions that were not elected as alternatives of their names.
    pub(super) fn note_losers(&mut self, unit: &Unit) {
        for (number, global) in unit.index.globals.iter().enumerate() {
            let this = (unit.id, Ordinal::new(number as u32));
            let Some(id) = unit.entry(this.1) else {
                continue;
            };
            let entry = self.entry_mut(id);
            if global.is_definition && !is_local(global) && entry.elected != Some(this) {
                entry.alternatives.push(this);
            }
        }
    }

    fn is_left_out(&self, library: LibraryId, global: &Global) -> bool {
        global
            .comdat
            .as_ref()
            .is_some_and(|comdat| self.namespace(library).comdats.contains_key(comdat))
    }

    pub(super) fn check(
        &self,
        library: LibraryId,
        unit: &Arc<str>,
        index: &ModuleIndex,
        going: &FxHashSet<EntryId>,
    ) -> Result<(), Error> {
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
            let is_copy = matches!(
                global.linkage,
                Linkage::Weak | Linkage::LinkOnce | Linkage::Common
            );
            if is_copy
                && global.is_definition
                && matches!(global.kind, GlobalKind::Variable { .. })
                && let Some(known) = self.find(library, &global.name)
            {
                self.check_room(known, unit, global)?;
            }
            let is_strong = global.is_definition
                && global.linkage != Linkage::Local
                && global.kind != GlobalKind::Intrinsic
                && rank(global.linkage) == 3
                && !self.is_left_out(library, global);
            if !is_strong {
                continue;
            }
            let known = self.find(library, &global.name);
            let known = known.filter(|id| !going.contains(id));
            let Some(known) = known.map(|id| self.entry(id)) else {
                continue;
            };
            if known.changing.is_some_and(|who| who != ThreadKey::mine()) {
                return Err(Error::Changing {
                    name: global.name.clone(),
                });
            }
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

    /// Returns the name of the unit that defines an entry.
    pub(crate) fn defining_unit(&self, entry: &Entry) -> Option<Arc<str>> {
        let unit = match entry.definition {
            Definition::Assembly(unit) => Some(unit),
            _ => entry.elected.map(|(unit, _)| unit),
        };
        Some(self.unit(unit?)?.name.clone())
    }

    /// Describes a name (type, linkage, kind) by a declaration, unless something better has
    /// described it.
    pub(super) fn describe(&mut self, entry: EntryId, global: &Global) {
        let known = self.entry_mut(entry);
        if known.value_type.is_none() {
            known.value_type = ValueType::of(global);
            known.linkage = global.linkage;
        }
        if known.kind == EntryKind::Unknown {
            known.kind = kind_of(global);
        }
    }

    fn wins(&self, entry: EntryId, global: &Global, weighing: Weighing) -> bool {
        let known = self.entry(entry);
        let may_give_way = weighing == Weighing::FunctionsGiveWay
            && matches!(known.definition, Definition::Ir(..))
            && known.address_is_stub()
            && self.frozen_unit(entry).is_none();
        match known.definition {
            _ if known.is_bound => false,
            // Code that was linked with another library's definition stays with it.
            Definition::Alias(..) if known.elected.is_none() => true,
            Definition::None | Definition::Engine | Definition::Lazy => {
                // The host's data stays where it is, because other code uses it already.
                known.kind == EntryKind::Function || !known.is_present()
            }
            _ if !matches!(known.state, State::Absent) && !may_give_way => false,
            _ if global.linkage == Linkage::Common && known.linkage == Linkage::Common => {
                size_of(global) > known.size
            }
            _ => rank(global.linkage) > rank(known.linkage),
        }
    }

    /// Puts a definition in force for its name, in place of none or of a weaker one.
    fn elect(&mut self, unit: &Arc<Unit>, ordinal: Ordinal, id: EntryId) {
        let before = self.set_in_force(unit, ordinal, id);
        if let Some(loser) = before {
            self.note_overridden(id, loser);
        }
    }

    /// Makes a name stand for a unit's definition, which has no memory yet. Returns the definition
    /// that it stood for before.
    pub(super) fn set_in_force(
        &mut self,
        unit: &Arc<Unit>,
        ordinal: Ordinal,
        id: EntryId,
    ) -> Option<(UnitKey, Ordinal)> {
        let global = &unit.index.globals[ordinal.index()];
        let definition = self.definition_of(unit, ordinal);
        let before = self.set_elected(id, Some((unit.id, ordinal)));
        let aliased = match definition {
            Definition::Alias(to, _) => self.entry(to).kind,
            _ => kind_of(global),
        };
        let is_code = global.type_name.ends_with(')');
        self.elect_front(unit, ordinal, id);
        self.lazies.remove(&id);
        let entry = self.entry_mut(id);
        entry.definition = definition;
        entry.generation = entry.generation.next();
        // Where the definition doesn't tell its type, what callers believe still counts.
        if let Some(value_type) = ValueType::of(global) {
            entry.value_type = Some(value_type);
        }
        entry.linkage = global.linkage;
        entry.visibility = global.visibility;
        entry.size = size_of(global);
        entry.state = State::Absent;
        entry.is_removed = false;
        entry.kind = match (aliased, is_code) {
            (EntryKind::Unknown, true) => EntryKind::Function,
            (EntryKind::Unknown, false) => EntryKind::Data,
            (kind, _) => kind,
        };
        let state = GlobalState {
            elected: true,
            placed: false,
        };
        unit.set_state(ordinal, state);
        before
    }

    /// Sets the elected definition of a name, and tells the unit that had it before.
    pub(super) fn set_elected(
        &mut self,
        id: EntryId,
        now: Option<(UnitKey, Ordinal)>,
    ) -> Option<(UnitKey, Ordinal)> {
        let entry = self.entry_mut(id);
        let before = std::mem::replace(&mut entry.elected, now);
        // The definition in force is not an alternative, however it came back.
        entry.alternatives.retain(|one| Some(*one) != now);
        if let Some((loser, ordinal)) = before
            && let Some(record) = self.record_mut(loser)
        {
            if !is_local(&record.unit.index.globals[ordinal.index()]) {
                record.in_force -= 1;
            }
            record.unit.set_state(ordinal, GlobalState::default());
        }
        if let Some((winner, ordinal)) = now
            && let Some(record) = self.record_mut(winner)
            && !is_local(&record.unit.index.globals[ordinal.index()])
        {
            record.in_force += 1;
        }
        before
    }

    /// Whether a definition in assembly beats the name's present definition, which must not be
    /// compiled yet. `common` is the size, if assembly defines common memory.
    pub(crate) fn gives_way(&self, id: EntryId, common: Option<u64>) -> bool {
        let entry = self.entry(id);
        let is_lighter = match (rank(entry.linkage), common) {
            (1, _) | (2, None) => true,
            (2, Some(size)) => size > entry.size,
            _ => false,
        };
        is_lighter && entry.elected.is_some() && matches!(entry.state, State::Absent)
    }

    /// Makes the name's elected definition an alternative.
    pub(crate) fn give_way(&mut self, id: EntryId) {
        if let Some(loser) = self.set_elected(id, None) {
            self.note_overridden(id, loser);
        }
    }
}
