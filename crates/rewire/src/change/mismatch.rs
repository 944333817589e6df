//! Finds functions whose IR declares another function with a type that the other doesn't have.
//!
//! A caller's own IR says how it calls a function, and a change of that function's type doesn't
//! change the caller. A linker doesn't compare types, and C programs do declare functions
//! differently from their definitions. So mismatches are reported, and never refused.

use std::sync::Arc;

use rewire_llvm::{Global, GlobalKind, Ordinal, TypeId};
use rustc_hash::{FxHashMap, FxHashSet};

use super::changed::Mismatch;
use super::pending::PendingChange;
use crate::base::function_type::FunctionType;
use crate::ledger::unit::Unit;
use crate::ledger::{EntryId, Ledger};

fn is_function(global: &Global) -> bool {
    global.kind == GlobalKind::Function && !global.is_local()
}

/// Whether a caller with one of these declarations passes values as the other declaration takes
/// them. A parameter list that states nothing (C before C23) fits any.
fn are_alike(one: &Global, other: &Global) -> bool {
    let says_nothing = |global: &Global| {
        FunctionType::parse(&global.type_name).is_some_and(|it| it.says_nothing())
    };
    let is_untyped = |global: &Global| global.type_id == TypeId::UNKNOWN;
    is_untyped(one)
        || is_untyped(other)
        || one.type_id == other.type_id && one.contract.passes_as(&other.contract)
        || says_nothing(one)
        || says_nothing(other)
}

impl PendingChange<'_> {
    /// Records the functions that a joined unit declares differently from what the ledger knew so
    /// far, by definition or declaration.
    pub(super) fn note_types(&mut self, ledger: &Ledger, unit: &Unit) {
        let functions = unit.index.numbered().filter(|(_, one)| is_function(one));
        for (ordinal, global) in functions {
            let Some(id) = unit.entry(ordinal) else {
                continue;
            };
            let known = ledger.entry(id).described().filter(|one| one.0 != unit.id);
            let known = known.and_then(|(unit, ordinal)| {
                let unit = ledger.unit(unit)?;
                unit.index.globals.get(ordinal.index())
            });
            if known.is_some_and(|known| is_function(known) && !are_alike(known, global)) {
                self.retyped.insert(id);
            }
        }
    }

    /// Finds the users of those functions whose IR will be wrong about the function's type once the
    /// change is made. Reads the bodies of the units that declare it so.
    pub(super) fn find_mismatches(&mut self) {
        if self.retyped.is_empty() {
            return;
        }
        let (units, defined) = {
            let ledger = self.core.ledger();
            let mut units = ledger.units_that_mention(&self.retyped);
            units.extend(self.joined.iter().map(|(unit, _)| unit.clone()));
            units.retain(|unit| !self.planned.leaving.contains(&unit.id));
            (units, self.definitions(&ledger))
        };
        for unit in units {
            let mut wrong: FxHashMap<Ordinal, &Global> = FxHashMap::default();
            for (ordinal, global) in unit.index.numbered() {
                let found = unit.entry(ordinal).and_then(|id| defined.get(&id));
                if let Some(found) = found
                    && is_function(global)
                    && !are_alike(found, global)
                {
                    wrong.insert(ordinal, found);
                }
            }
            if !wrong.is_empty() {
                self.find_users(&unit, &wrong);
            }
        }
        self.changed.mismatches.sort_unstable();
        self.changed.mismatches.dedup();
    }

    /// Returns the definitions that those functions will have.
    fn definitions(&self, ledger: &Ledger) -> FxHashMap<EntryId, Global> {
        let defined = self.retyped.iter().filter_map(|id| {
            let target = self.planned.targets.get(id);
            let target = target.map(|target| (target.unit, target.ordinal));
            let elected = ledger.entry(*id).elected();
            let (unit, ordinal) = target.or(elected)?;
            let global = ledger.unit(unit)?.index.globals.get(ordinal.index())?;
            is_function(global).then(|| (*id, global.clone()))
        });
        defined.collect()
    }

    fn find_users(&mut self, unit: &Arc<Unit>, wrong: &FxHashMap<Ordinal, &Global>) {
        let guard = self.core.guard_reading(&unit.name);
        // A body that can't be read is reported when it is called.
        let Ok(module) = unit.whole_module() else {
            return;
        };
        drop(guard);
        let users: FxHashSet<Ordinal> = unit
            .index
            .numbered()
            .filter(|(_, global)| global.is_definition && global.kind == GlobalKind::Function)
            .map(|(ordinal, _)| ordinal)
            .filter(|ordinal| {
                let user = unit.entry(*ordinal);
                user.is_some_and(|user| self.will_stand(user, unit, *ordinal))
            })
            .collect();
        for user in users {
            for used in module.contents(user).uses {
                if let Some(found) = wrong.get(&used.target) {
                    let globals = &unit.index.globals;
                    self.changed.mismatches.push(Mismatch {
                        user: globals[user.index()].name.clone(),
                        name: found.name.clone(),
                        declared: globals[used.target.index()].type_name.clone(),
                        defined: found.type_name.clone(),
                    });
                }
            }
        }
    }
}
