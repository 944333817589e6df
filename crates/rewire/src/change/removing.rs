//! Plans removals of names and units, and checks that nothing that stays uses them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rewire_llvm::{GlobalKind, Ordinal};
use rustc_hash::FxHashSet;

use super::changed::Replaced;
use super::pending::PendingChange;
use super::users::{names, users_of};
use crate::base::error::Error;
use crate::base::ids::UnitKey;
use crate::ledger::unit::Unit;
use crate::ledger::{Definition, EntryId, Ledger, UseAspect};

/// Returns the names that stand for a unit's definitions.
pub(super) fn names_of(ledger: &Ledger, unit: UnitKey) -> Result<Vec<EntryId>, Error> {
    let record = ledger.record(unit).ok_or(Error::NoUnit)?;
    if !record.is_there() {
        return Err(Error::NoUnit);
    }
    let globals = record.unit.index.globals.iter().zip(&record.unit.entries);
    let elected = globals.filter_map(|(global, id)| {
        let id = (*id)?;
        let stands = ledger.entry(id).elected().is_some_and(|one| one.0 == unit);
        (!global.is_local() && stands).then_some(id)
    });
    let mut names: Vec<EntryId> = elected.collect();
    if record.unit.index.has_assembly || record.has_labels {
        // The unit's IR needn't declare what its assembly defines, so look through all names of the
        // library.
        let all = ledger.names(record.unit.library).map(|(_, id)| id);
        names.extend(all.filter(|id| ledger.entry(*id).definition() == Definition::Assembly(unit)));
    }
    Ok(names)
}

impl PendingChange<'_> {
    /// Plans to remove a name.
    pub(super) fn remove(&mut self, name: &Arc<str>) -> Result<(), Error> {
        let core = self.core;
        let ledger = core.ledger();
        let unknown = || Error::Unknown { name: name.clone() };
        let id = ledger.find(self.library, name).ok_or_else(unknown)?;
        let entry = ledger.entry(id);
        match entry.definition() {
            Definition::None => return Err(unknown()),
            Definition::Alias(..) if entry.elected().is_none() => return Err(unknown()),
            Definition::Assembly(_) | Definition::Engine => {
                return Err(Error::Replace {
                    name: name.clone(),
                    reason: "it is part of assembly, or the engine's own; remove its unit"
                        .to_owned(),
                });
            }
            _ => {}
        }
        if self.new.contains(&id) {
            return Err(unknown());
        }
        self.plan_removal(&ledger, &[id])
    }

    /// Plans to remove a unit.
    pub(super) fn remove_unit(&mut self, unit: UnitKey) -> Result<(), Error> {
        let core = self.core;
        let ledger = core.ledger();
        let names = names_of(&ledger, unit)?;
        self.check_lent(&ledger, unit)?;
        self.planned.leaving.push(unit);
        self.plan_removal(&ledger, &names)
    }

    /// Checks that no unit that stays uses locals of a unit that is removed.
    fn check_lent(&self, ledger: &Ledger, lender: UnitKey) -> Result<(), Error> {
        if self.is_forced {
            return Ok(());
        }
        for (borrower, own) in ledger.borrowed_of(lender) {
            let mut users = names_of(ledger, borrower).unwrap_or_default();
            users.retain(|id| !self.going.contains(id) && !self.planned.targets.contains_key(id));
            if !users.is_empty() {
                return Err(Error::InUse {
                    name: ledger.entry(own).label().into(),
                    users: names(ledger, &users),
                });
            }
        }
        Ok(())
    }

    /// Plans the removal of what a reloaded unit's new version doesn't define.
    pub(super) fn reload(&mut self, ledger: &Ledger, old: UnitKey) -> Result<(), Error> {
        let gone = names_of(ledger, old)?;
        self.planned.leaving.push(old);
        self.plan_removal(ledger, &gone)
    }

    /// Plans that nothing defines these names any more, except those that the change itself
    /// defines.
    fn plan_removal(&mut self, ledger: &Ledger, ids: &[EntryId]) -> Result<(), Error> {
        for id in ids {
            let stays = self.planned.targets.contains_key(id) || self.is_given(*id);
            if !stays && self.planned.withdrawn.insert(*id) {
                if let Some(unit) = self.assembled_anew(ledger, *id) {
                    self.reassemble(ledger, *id, unit)?;
                    continue;
                }
                self.changed.removed.push(ledger.entry(*id).label().into());
                let entry = ledger.entry(*id);
                // Code that may contain the removed body (inlined) is dropped as well, since the
                // body names what is its own unit's; values that were read from variables stay.
                if entry.is_fixed() {
                    continue;
                }
                match entry.alternatives().is_empty() {
                    true => self.drop_copies(ledger, *id)?,
                    false => {
                        let mut holders = ledger.inliners(*id);
                        holders.retain(|holder| !self.leaves(ledger, *holder));
                        self.drop_code(ledger, holders)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns the unit of this change whose assembly redefines a name that assembly of a removed
    /// unit defines.
    fn assembled_anew(&self, ledger: &Ledger, id: EntryId) -> Option<UnitKey> {
        let entry = ledger.entry(id);
        let is_alike = matches!(entry.definition(), Definition::Assembly(_))
            && entry.alternatives().is_empty();
        let unit = self.assembled.get(entry.name()).copied();
        unit.filter(|_| is_alike)
    }

    /// Plans that another unit's assembly defines a name. Code that has the name's address is
    /// compiled again.
    fn reassemble(&mut self, ledger: &Ledger, id: EntryId, unit: UnitKey) -> Result<(), Error> {
        self.planned.assembly.insert(id, unit);
        let entry = ledger.entry(id);
        self.changed.replaced.push(Replaced {
            name: entry.label().into(),
            generation: entry.generation().next(),
            users: users_of(ledger, id).len(),
            pointers: Vec::new(),
        });
        self.drop_copies(ledger, id)
    }

    /// Checks, after everything is planned, that no code that stays uses a removed name.
    pub(super) fn check_withdrawn(&self) -> Result<(), Error> {
        let mut mentioned = FxHashSet::default();
        let mut bound = FxHashSet::default();
        {
            let ledger = self.core.ledger();
            for id in self.planned.withdrawn.iter() {
                let entry = ledger.entry(*id);
                let mut copies = entry.alternatives().iter();
                let has_heir = copies.any(|(unit, _)| !self.planned.leaving.contains(unit))
                    || self.planned.assembly.contains_key(id);
                let mut staying = users_of(&ledger, *id);
                staying.retain(|user| !self.leaves(&ledger, *user));
                let is_bound = ledger.users(*id).any(|(within, one)| {
                    one.aspect == UseAspect::Direct
                        && within.is_none_or(|within| !self.leaves(&ledger, within))
                });
                if (!staying.is_empty() && !self.is_forced && !has_heir) || is_bound {
                    return Err(Error::InUse {
                        name: entry.label().into(),
                        users: names(&ledger, &staying),
                    });
                }
                let goes_alone = entry
                    .elected()
                    .is_none_or(|(unit, _)| !self.planned.leaving.contains(&unit));
                // Functions of its frozen unit may have inlined it, and they are never compiled
                // again.
                if goes_alone && entry.is_present() && ledger.frozen_unit(*id).is_some() {
                    bound.insert(*id);
                }
                // If the whole unit is removed, only other units may still need the name.
                if !has_heir && (goes_alone || entry.mentions().len() > 1) {
                    mentioned.insert(*id);
                }
                if !has_heir && !entry.name().is_empty() {
                    mentioned.extend(ledger.importers(*id));
                }
            }
        }
        self.check_unread(&bound, |unit| unit.is_frozen)?;
        if self.is_forced {
            return Ok(());
        }
        self.check_unread(&mentioned, |_| true)
    }

    /// Whether this change removes or replaces a definition's code.
    fn leaves(&self, ledger: &Ledger, user: EntryId) -> bool {
        let of_unit = ledger.entry(user).elected().map(|one| one.0);
        of_unit.is_some_and(|unit| self.planned.leaving.contains(&unit))
            || self.planned.targets.contains_key(&user)
            || self.planned.withdrawn.contains(user)
    }

    /// Searches the IR of units for users of these names that aren't compiled, or may be compiled
    /// into other code. Reads the bodies of the units that mention the names.
    fn check_unread(
        &self,
        ids: &FxHashSet<EntryId>,
        among: impl Fn(&Unit) -> bool,
    ) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut units = self.core.ledger().units_that_mention(ids);
        units.extend(self.joined.iter().map(|(unit, _)| unit.clone()));
        units.retain(|unit| among(unit));
        let mut used: BTreeMap<Arc<str>, Vec<String>> = BTreeMap::new();
        for unit in units {
            if self.planned.leaving.contains(&unit.id) {
                continue;
            }
            let definitions = unit.index.numbered().filter(|one| one.1.is_definition);
            let staying: Vec<(Ordinal, EntryId)> = definitions
                .filter_map(|(ordinal, _)| Some((ordinal, unit.entry(ordinal)?)))
                .filter(|(ordinal, id)| self.will_stand(*id, &unit, *ordinal))
                .collect();
            if staying.is_empty() {
                continue;
            }
            if unit.is_object() {
                // All that it names is in the ledger once it is linked.
                if unit.tables.get().is_none() {
                    let named = unit.entries.iter().flatten().filter(|id| ids.contains(id));
                    for id in named {
                        let name = self.core.ledger().entry(*id).label().into();
                        used.entry(name).or_default().push(unit.name.to_string());
                    }
                }
                continue;
            }
            let _guard = self.core.guard_reading(&unit.name);
            let module = unit.whole_module()?;
            for (ordinal, user) in staying {
                let global = &unit.index.globals[ordinal.index()];
                let mut targets: Vec<Ordinal> = match global.kind {
                    GlobalKind::Alias { target } => target.iter().map(|one| one.0).collect(),
                    _ => Vec::new(),
                };
                targets.extend(module.contents(ordinal).uses.iter().map(|one| one.target));
                let named = targets.iter().filter_map(|target| unit.entry(*target));
                for id in named.filter(|id| *id != user && ids.contains(id)) {
                    let name = self.core.ledger().entry(id).label().into();
                    used.entry(name).or_default().push(global.name.to_string());
                }
            }
        }
        let Some((name, mut users)) = used.pop_first() else {
            return Ok(());
        };
        users.sort_unstable();
        users.dedup();
        Err(Error::InUse { name, users })
    }

    /// Whether an entry will stand for this definition once the change is made.
    pub(super) fn will_stand(&self, id: EntryId, unit: &Unit, ordinal: Ordinal) -> bool {
        match self.planned.targets.get(&id) {
            Some(target) => (target.unit, target.ordinal) == (unit.id, ordinal),
            None => {
                let elected = self.core.ledger().entry(id).elected();
                elected == Some((unit.id, ordinal)) && !self.planned.withdrawn.contains(id)
            }
        }
    }
}
