//! Remembers and forgets changes that can be undone.

use std::sync::atomic::Ordering;

use rustc_hash::FxHashSet;

use super::removing::names_of;
use crate::base::ids::UnitKey;
use crate::base::sync::lock;
use crate::core::Core;
use crate::ledger::{EntryId, FormerMeaning, History, Ledger, PlannedNames, RememberedChange};

/// The maximum number of bytes kept for undoing. If a single change exceeds it, only the latest
/// change can be undone.
const MOST_KEPT: u64 = 64 << 20;

/// The names that undoing a change affects.
#[derive(Debug)]
pub(super) struct AffectedNames {
    /// Names whose definitions the change replaced or removed.
    pub(super) names: Vec<EntryId>,
    /// Units that the change added, whose names are removed.
    pub(super) joined: Vec<UnitKey>,
}

impl AffectedNames {
    /// Returns all affected names, as the ledger is now.
    pub(super) fn all(&self, ledger: &Ledger) -> Vec<EntryId> {
        let joined = self.joined.iter();
        let brought = joined.flat_map(|unit| names_of(ledger, *unit).unwrap_or_default());
        let mut seen = FxHashSet::default();
        let all = self.names.iter().copied().chain(brought);
        all.filter(|id| seen.insert(*id)).collect()
    }
}

impl History {
    /// Remembers a change, while its names are still claimed, so that changes of one name are
    /// remembered in the order in which they were committed. Returns the change's number.
    pub(super) fn remember(
        &self,
        core: &Core,
        former: Vec<FormerMeaning>,
        joined: Vec<UnitKey>,
        planned: &PlannedNames,
    ) -> Option<u64> {
        if !planned.is_remembered {
            return None;
        }
        let bytes = core.ledger().held_by_change(&former, &planned.leaving);
        let mut changes = lock(&self.changes);
        let number = self.latest.fetch_add(1, Ordering::Relaxed) + 1;
        changes.push_back(RememberedChange {
            number,
            former,
            joined,
            left: planned.leaving.clone(),
            bytes,
        });
        Some(number)
    }

    /// Returns the latest change and the names that undoing it affects.
    pub(super) fn last(&self) -> Option<(u64, AffectedNames)> {
        let changes = lock(&self.changes);
        let last = changes.back()?;
        let names = last.former.iter().map(|former| former.entry);
        let concerned = AffectedNames {
            names: names.collect(),
            joined: last.joined.clone(),
        };
        Some((last.number, concerned))
    }

    /// Removes a change, if it is still the latest.
    pub(super) fn take(&self, number: u64) -> Option<RememberedChange> {
        let mut changes = lock(&self.changes);
        changes.pop_back_if(|last| last.number == number)
    }

    /// Puts a change back whose undoing has failed.
    pub(super) fn reinsert(&self, record: RememberedChange) {
        let mut changes = lock(&self.changes);
        let place = changes.partition_point(|one| one.number < record.number);
        changes.insert(place, record);
    }

    /// Forgets the oldest changes beyond the limits.
    pub(super) fn trim(&self, core: &Core) {
        self.shrink(core, self.depth);
    }

    /// Forgets all changes, because their names may no longer exist.
    pub(crate) fn clear(&self, core: &Core) {
        self.shrink(core, 0);
    }

    fn shrink(&self, core: &Core, depth: usize) {
        loop {
            let oldest = {
                let mut changes = lock(&self.changes);
                let bytes: u64 = changes.iter().map(|one| one.bytes).sum();
                let are_many = changes.len() > depth || changes.len() > 1 && bytes > MOST_KEPT;
                are_many.then(|| changes.pop_front()).flatten()
            };
            match oldest {
                Some(record) => record.forget(&mut core.ledger()),
                None => return,
            }
        }
    }
}

impl RememberedChange {
    /// Releases what was kept so that the change could be undone.
    pub(super) fn forget(self, ledger: &mut Ledger) {
        for former in &self.former {
            ledger.forget_former(former);
        }
        for unit in &self.left {
            ledger.release_unit(*unit);
        }
    }
}
