//! Names and units that leave.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::commit::Work;
use super::plan::{names, users_of};
use crate::error::Error;
use crate::ledger::{Definition, EntryId, Ledger, Standing, UseAspect};
use crate::process::structors;
use crate::unit::{Unit, UnitId};

/// The names that a unit's definitions stand for.
pub(super) fn names_of(ledger: &Ledger, unit: UnitId) -> Result<Vec<EntryId>, Error> {
    let record = ledger.record(unit).ok_or(Error::NoUnit)?;
    if !matches!(record.standing, Standing::Kept | Standing::Loose) {
        return Err(Error::NoUnit);
    }
    let globals = record.unit.index.globals.iter().zip(&record.unit.entries);
    let elected = globals.filter_map(|(global, id)| {
        let id = (*id)?;
        let stands = ledger.entry(id).elected.is_some_and(|one| one.0 == unit)
            || ledger.entry(id).definition == Definition::Assembly(unit);
        (!global.is_local() && stands).then_some(id)
    });
    Ok(elected.collect())
}

impl Work<'_> {
    /// Plans to remove a name.
    pub(super) fn remove(&mut self, name: &Arc<str>) -> Result<(), Error> {
        let core = self.core;
        let ledger = core.ledger();
        let unknown = || Error::Unknown { name: name.clone() };
        let id = ledger.find(self.library, name).ok_or_else(unknown)?;
        let entry = ledger.entry(id);
        match entry.definition {
            Definition::None => return Err(unknown()),
            Definition::Alias(..) if entry.elected.is_none() => return Err(unknown()),
            Definition::Assembly(_) | Definition::Engine => {
                return Err(Error::Replace {
                    name: name.clone(),
                    reason: "it is part of assembly, or the engine's own; remove its unit"
                        .to_owned(),
                });
            }
            _ => {}
        }
        self.withdraw(&ledger, &[id], None)?;
        let unread = ledger.unread_mentions(id);
        drop(ledger);
        self.check_unread(id, name, unread)
    }

    /// Plans to remove a unit.
    pub(super) fn remove_unit(&mut self, unit: UnitId) -> Result<(), Error> {
        let core = self.core;
        let ledger = core.ledger();
        let names = names_of(&ledger, unit)?;
        self.withdraw(&ledger, &names, Some(unit))?;
        self.planned.leaving.push(unit);
        Ok(())
    }

    /// Plans what is left of a unit whose new version is there.
    pub(super) fn reload(&mut self, ledger: &Ledger, old: UnitId) -> Result<(), Error> {
        let mut gone = names_of(ledger, old)?;
        gone.retain(|id| !self.planned.targets.contains_key(id));
        self.withdraw(ledger, &gone, Some(old))?;
        self.planned.leaving.push(old);
        Ok(())
    }

    fn withdraw(
        &mut self,
        ledger: &Ledger,
        ids: &[EntryId],
        unit: Option<UnitId>,
    ) -> Result<(), Error> {
        let going: FxHashSet<EntryId> = ids.iter().copied().collect();
        let leaves = |user: &EntryId| {
            let of_unit = ledger.entry(*user).elected.map(|one| one.0);
            going.contains(user)
                || unit.is_some() && of_unit == unit
                || of_unit.is_some_and(|unit| self.planned.leaving.contains(&unit))
                || self.planned.targets.contains_key(user)
                || self.planned.withdrawn.contains(*user)
        };
        for id in ids {
            let has_heir = !ledger.entry(*id).alternatives.is_empty();
            let users = users_of(ledger, *id);
            let bound = ledger.users(*id).any(|(within, one)| {
                one.aspect == UseAspect::Direct && within.is_none_or(|within| !leaves(&within))
            });
            let staying: Vec<EntryId> = users.into_iter().filter(|user| !leaves(user)).collect();
            if (!staying.is_empty() && !self.is_forced && !has_heir) || bound {
                return Err(Error::InUse {
                    name: ledger.entry(*id).label().into(),
                    users: names(ledger, &staying),
                });
            }
        }
        for id in ids {
            if !self.planned.targets.contains_key(id) && self.planned.withdrawn.insert(*id) {
                self.changed.removed.push(ledger.entry(*id).label().into());
            }
        }
        Ok(())
    }

    /// Looks for users among functions that aren't compiled: those whose IR names it. Reads the
    /// bodies of the units that mention the name.
    fn check_unread(
        &self,
        id: EntryId,
        name: &Arc<str>,
        units: Vec<Arc<Unit>>,
    ) -> Result<(), Error> {
        if self.is_forced || !self.core.ledger().entry(id).alternatives.is_empty() {
            return Ok(());
        }
        let mut users = Vec::new();
        for unit in units {
            let module = unit.whole_module()?;
            for (ordinal, global) in unit.index.numbered() {
                let stands = {
                    let ledger = self.core.ledger();
                    unit.entry(ordinal).is_some_and(|user| {
                        user != id
                            && ledger.entry(user).elected == Some((unit.id, ordinal))
                            && !self.planned.withdrawn.contains(user)
                            && !self.planned.targets.contains_key(&user)
                            && !self.planned.leaving.contains(&unit.id)
                    })
                };
                if !stands || !global.is_definition {
                    continue;
                }
                let uses = module.contents(ordinal).uses;
                if uses.iter().any(|one| unit.entry(one.target) == Some(id)) {
                    users.push(global.name.to_string());
                }
            }
        }
        if users.is_empty() {
            return Ok(());
        }
        users.sort_unstable();
        Err(Error::InUse {
            name: name.clone(),
            users,
        })
    }

    /// The destructors of the units that leave run while all is as it was.
    pub(super) fn run_destructors(&self) {
        for unit in &self.planned.leaving {
            let unit = self.core.ledger().unit(*unit).cloned();
            if let Some(unit) = unit {
                structors::finalize(self.core, &unit);
            }
        }
    }
}
