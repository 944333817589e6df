//! Adds the units that a change brings. Their locals are in force at once, because nothing else
//! knows them, and so are names that nothing defined before. All other names are put in force when
//! the change is committed.

use std::sync::Arc;

use rewire_llvm::{GlobalKind, Module, ModuleIndex, Ordinal, Source};
use rustc_hash::{FxHashMap, FxHashSet};

use super::election::Weighing;
use super::globals::is_local;
use super::unit::{Inherited, Unit, UnitPlace};
use super::{Definition, EntryId, Ledger, LibraryId, Standing};
use crate::base::error::Error;
use crate::base::ids::UnitKey;

impl Ledger {
    /// Returns the entries of the global names that a module defines; creates missing ones.
    pub(crate) fn defined_names(
        &mut self,
        library: LibraryId,
        index: &ModuleIndex,
    ) -> Vec<EntryId> {
        let globals = index.globals.iter();
        let defined = globals.filter(|global| {
            global.is_definition && !is_local(global) && global.kind != GlobalKind::Intrinsic
        });
        defined
            .map(|global| self.find_or_enter(library, &global.name))
            .collect()
    }

    /// Creates a unit from a module. `matched` are globals that have entries already: the unit
    /// takes over those that it defines, and uses those that it declares. `origin` is the unit
    /// whose locals they may be.
    pub(crate) fn join(
        &mut self,
        source: Source,
        module: Module,
        index: ModuleIndex,
        place: UnitPlace,
        matched: &FxHashMap<Ordinal, EntryId>,
        origin: Option<UnitKey>,
    ) -> Arc<Unit> {
        let declared = |ordinal: &&Ordinal| !is_local(&index.globals[ordinal.index()]);
        let mut declarations: Vec<Ordinal> = matched.keys().filter(declared).copied().collect();
        declarations.sort_unstable();
        let mut own = Vec::new();
        let entries = self.enter_all(
            place.library,
            &index,
            matched,
            |ledger, ordinal, global, id| {
                if !is_local(global) {
                    ledger.describe(id, global);
                } else if !matched.contains_key(&ordinal) {
                    own.push((ordinal, id));
                }
            },
        );
        let unit = self.insert_unit(place.standing, |id| {
            let inherited = Inherited {
                declarations,
                origin,
            };
            Unit::new(id, source, Some(module), index, entries, place, inherited)
        });
        self.borrow_declared(&unit);
        self.mention_all(&unit);
        for (ordinal, id) in own {
            self.set_in_force(&unit, ordinal, id);
        }
        for (ordinal, id) in matched {
            if is_local(&unit.index.globals[ordinal.index()]) {
                self.entry_mut(*id).alternatives.push((unit.id, *ordinal));
            }
        }
        unit
    }

    /// Whether a definition of a unit that only adds names is elected for its name.
    pub(crate) fn adds(&mut self, unit: &Unit, ordinal: Ordinal, id: EntryId) -> bool {
        let global = &unit.index.globals[ordinal.index()];
        self.has_won(unit.library, global, id, Weighing::FunctionsGiveWay)
    }

    /// Checks that a unit that only adds names defines nothing that is defined already and stays
    /// so.
    pub(crate) fn check_new(&self, unit: &Unit, going: &FxHashSet<EntryId>) -> Result<(), Error> {
        self.check(unit.library, &unit.name, &unit.index, going)
    }

    /// Makes a name that nothing defines stand for a joining unit's definition; returns whether
    /// nothing defined it.
    pub(crate) fn define_new(&mut self, unit: &Arc<Unit>, ordinal: Ordinal, id: EntryId) -> bool {
        let entry = self.entry(id);
        let is_new = entry.definition == Definition::None && !entry.is_present();
        if is_new {
            self.set_in_force(unit, ordinal, id);
        }
        is_new
    }

    /// Makes a joining unit loaded, because its change is committed.
    pub(crate) fn settle(&mut self, unit: &Arc<Unit>, standing: Standing) {
        self.enter_comdats(unit);
        self.note_losers(unit);
        self.settle_aliases(unit);
        if let Some(record) = self.record_mut(unit.id) {
            record.standing = standing;
        }
        self.names_version += 1;
        self.leave_if_idle(unit.id);
    }
}
