//! What changes took away, and how it comes back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use rewire_sync::Mutex;

use super::Changed;
use super::commit::Work;
use crate::core::Core;
use crate::error::Error;
use crate::ledger::{EntryId, Former, Ledger, Planned, Standing};
use crate::sync::lock;
use crate::unit::UnitId;

/// The changes that can be undone; the last one is the latest.
#[derive(Debug)]
pub(crate) struct History {
    depth: usize,
    changes: Mutex<VecDeque<Record>>,
}

/// One change.
#[derive(Debug)]
struct Record {
    former: Vec<Former>,
    /// Units that it brought.
    joined: Vec<UnitId>,
    /// Units that it took away.
    left: Vec<UnitId>,
}

impl History {
    pub(crate) fn new(depth: usize) -> Self {
        Self {
            depth,
            changes: Mutex::default(),
        }
    }

    /// How many changes are remembered at most.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// Notes a change.
    pub(super) fn remember(&self, former: Vec<Former>, joined: Vec<UnitId>, planned: &Planned) {
        if !planned.is_remembered {
            return;
        }
        let record = Record {
            former,
            joined,
            left: planned.leaving.clone(),
        };
        lock(&self.changes).push_back(record);
    }

    /// Forgets the oldest changes, if there are too many.
    pub(super) fn trim(&self, core: &Core) {
        loop {
            let oldest = {
                let mut changes = lock(&self.changes);
                let are_many = changes.len() > self.depth;
                are_many.then(|| changes.pop_front()).flatten()
            };
            match oldest {
                Some(record) => record.forget(&mut core.ledger()),
                None => return,
            }
        }
    }
}

impl Record {
    /// What it took away needn't be kept any more.
    fn forget(self, ledger: &mut Ledger) {
        for former in &self.former {
            ledger.forget_former(former);
        }
        for unit in &self.left {
            ledger.release_unit(*unit);
        }
    }
}

/// Undoes the latest change. See [`Engine::undo`](crate::Engine::undo).
pub(crate) fn undo(core: &Core) -> Result<Changed, Error> {
    let began = Instant::now();
    let record = lock(&core.history.changes).pop_back();
    let record = record.ok_or(Error::NothingToUndo)?;
    let library = crate::ledger::LibraryId::MAIN;
    let mut work = Work::new(core, library);
    work.is_forced = true;
    // What is undone isn't itself undone.
    work.planned.is_remembered = false;
    let result = work.undo(&record);
    match work.end(result, began) {
        Ok(changed) => {
            record.forget(&mut core.ledger());
            Ok(changed)
        }
        Err(error) => {
            lock(&core.history.changes).push_back(record);
            Err(error)
        }
    }
}

impl Work<'_> {
    fn undo(&mut self, record: &Record) -> Result<(), Error> {
        let core = self.core;
        let names: Vec<EntryId> = record.former.iter().map(|former| former.entry).collect();
        self.claim(|_| Ok(names.clone()))?;
        {
            let mut ledger = core.ledger();
            for unit in &record.left {
                ledger.stand_again(*unit);
            }
            for former in &record.former {
                self.restore(&mut ledger, former);
            }
            let mut gone = Vec::new();
            for unit in &record.joined {
                // What it added, and others didn't define before.
                gone.extend(super::removing::names_of(&ledger, *unit).unwrap_or_default());
            }
            gone.retain(|id| !self.planned.targets.contains_key(id));
            for id in gone {
                if self.planned.withdrawn.insert(id) {
                    self.changed.removed.push(ledger.entry(id).label().into());
                }
            }
            for unit in &record.joined {
                let stands = ledger.record(*unit).is_some_and(|record| {
                    matches!(record.standing, Standing::Kept | Standing::Loose)
                });
                if stands {
                    self.planned.leaving.push(*unit);
                }
            }
        }
        self.move_over()
    }

    fn restore(&mut self, ledger: &mut Ledger, former: &Former) {
        let entry = ledger.entry(former.entry);
        let Some((unit, ordinal)) = former.elected else {
            if entry.elected.is_some() {
                self.changed.removed.push(entry.label().into());
                self.planned.withdrawn.insert(former.entry);
            }
            return;
        };
        if entry.elected == Some((unit, ordinal)) {
            return;
        }
        let keeps_memory = ledger.restore_memory(former);
        let entry = ledger.entry(former.entry);
        let name: Arc<str> = entry.label().into();
        if entry.elected.is_some() {
            self.changed.replaced.push(super::Replaced {
                name,
                generation: entry.generation.next(),
                users: super::plan::users_of(ledger, former.entry).len(),
            });
        } else {
            self.changed.added.push(name);
        }
        if let Some(unit) = ledger.unit(unit) {
            self.plan(ledger, unit, ordinal, former.entry, keeps_memory);
        }
    }
}
