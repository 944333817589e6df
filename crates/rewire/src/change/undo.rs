//! Undoes changes.

use std::sync::Arc;
use std::time::Instant;

use rustc_hash::FxHashSet;

use super::changed::Changed;
use super::pending::PendingChange;
use super::removing::names_of;
use super::undoable::AffectedNames;
use crate::base::error::Error;
use crate::base::ids::UnitKey;
use crate::core::Core;
use crate::ledger::{
    Definition, EntryId, FormerMeaning, InheritedMemory, Ledger, RememberedChange, Standing,
};
use crate::process::unit_endings;

/// Implements [`Engine::undo`](crate::Engine::undo): undoes the latest change.
pub(crate) fn undo(core: &Core) -> Result<Changed, Error> {
    loop {
        let (number, concerned) = core.history.last().ok_or(Error::NothingToUndo)?;
        if let Some(done) = undo_if_last(core, number, &concerned) {
            return done;
        }
    }
}

/// Undoes a change that failed after it was put in force.
pub(super) fn undo_failed(core: &Core, number: u64) {
    if let Some((last, concerned)) = core.history.last()
        && last == number
    {
        // The client gets the first error.
        let _ = undo_if_last(core, number, &concerned);
    }
}

/// Undoes a change of these names, if it is still the latest; otherwise returns `None`. While this
/// thread waited for the names, a later change of them may have been committed, which has to be
/// undone first.
fn undo_if_last(
    core: &Core,
    number: u64,
    concerned: &AffectedNames,
) -> Option<Result<Changed, Error>> {
    let began = Instant::now();
    let library = crate::ledger::LibraryId::MAIN;
    let mut work = PendingChange::new(core, library);
    work.is_forced = true;
    // Undoing can't be undone itself.
    work.planned.is_remembered = false;
    if let Err(error) = work.claim(|ledger| Ok(concerned.all(ledger))) {
        return Some(Err(error));
    }
    let Some(record) = core.history.take(number) else {
        work.release_names();
        return None;
    };
    let result = work.undo(&record);
    // Done before another change can claim the names.
    match &result {
        Ok(()) => {
            let ledger = &mut core.ledger();
            for unit in &record.left {
                ledger.line_up_again(*unit);
            }
            record.forget(ledger);
        }
        Err(_) => {
            let mut ledger = core.ledger();
            for unit in &record.left {
                ledger.removed_again(*unit);
            }
            drop(ledger);
            core.history.reinsert(record);
        }
    }
    let ended = work.end(result, began).map_err(|it| it.error);
    let ended = ended.and_then(|it| it.complete());
    core.prepare_handlers_again();
    Some(ended)
}

impl PendingChange<'_> {
    fn undo(&mut self, record: &RememberedChange) -> Result<(), Error> {
        let core = self.core;
        {
            let mut ledger = core.ledger();
            for unit in &record.left {
                ledger.stand_again(*unit);
            }
            for former in &record.former {
                self.restore(&mut ledger, former, &record.joined)?;
            }
            let mut gone = Vec::new();
            for unit in &record.joined {
                // The names that the change added, and that nothing defined before.
                gone.extend(names_of(&ledger, *unit).unwrap_or_default());
            }
            let given = self.planned.given.iter().map(|(id, _)| *id);
            let given: FxHashSet<EntryId> = given.collect();
            gone.retain(|id| !self.planned.targets.contains_key(id) && !given.contains(id));
            for id in gone {
                if self.planned.withdrawn.insert(id) {
                    self.changed.removed.push(ledger.entry(id).label().into());
                }
            }
            for unit in &record.joined {
                let stands = ledger.record(*unit).is_some_and(|record| {
                    matches!(
                        record.standing,
                        Standing::UntilRemoved | Standing::WhileInForce
                    )
                });
                if stands {
                    self.planned.leaving.push(*unit);
                }
            }
        }
        self.move_names()?;
        for unit in &record.left {
            unit_endings::restore_unit(core, *unit);
        }
        Ok(())
    }

    /// Plans that a name gets its former definition back. `joined` are the units that the change
    /// added.
    fn restore(
        &mut self,
        ledger: &mut Ledger,
        former: &FormerMeaning,
        joined: &[UnitKey],
    ) -> Result<(), Error> {
        let entry = ledger.entry(former.entry);
        let Some((unit, ordinal)) = former.elected else {
            if let Some(given) = &former.given {
                self.planned.given.push((former.entry, given.clone()));
                self.note_back(ledger, former.entry);
                self.drop_copies(ledger, former.entry)?;
                ledger.restore_memory(former);
                return Ok(());
            }
            if entry.elected().is_some() || entry.definition() == Definition::Absolute {
                self.changed.removed.push(entry.label().into());
                self.planned.withdrawn.insert(former.entry);
                self.drop_copies(ledger, former.entry)?;
            }
            return Ok(());
        };
        if entry.elected() == Some((unit, ordinal)) {
            return Ok(());
        }
        // A copy that took over becomes an alternative again.
        if entry
            .elected()
            .is_some_and(|(heir, _)| !joined.contains(&heir))
        {
            self.planned.overridden.insert(former.entry);
        }
        if !former.kept_memory {
            self.drop_copies(ledger, former.entry)?;
        }
        let keeps_memory = ledger.restore_memory(former);
        self.note_back(ledger, former.entry);
        if let Some(unit) = ledger.unit(unit) {
            let memory = match keeps_memory {
                true => InheritedMemory::Memory,
                false => InheritedMemory::Nothing,
            };
            self.plan(ledger, unit, ordinal, former.entry, memory);
        }
        Ok(())
    }

    /// Reports a name that gets its former definition back.
    fn note_back(&mut self, ledger: &Ledger, id: EntryId) {
        let entry = ledger.entry(id);
        let name: Arc<str> = entry.label().into();
        let was_there = matches!(
            entry.definition(),
            Definition::Assembly(_) | Definition::Absolute
        );
        if entry.elected().is_none() && !was_there {
            self.changed.added.push(name);
            return;
        }
        self.changed.replaced.push(super::changed::Replaced {
            name,
            generation: entry.generation().next(),
            users: super::users::users_and_inliners_of(ledger, id).len(),
            pointers: Vec::new(),
        });
    }
}
