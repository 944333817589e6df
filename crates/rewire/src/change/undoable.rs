//! The changes that can be undone: how they are remembered, and forgotten.

use std::sync::atomic::Ordering;

use rustc_hash::FxHashSet;

use super::removing::names_of;
use crate::base::ids::UnitKey;
use crate::base::sync::lock;
use crate::core::Core;
use crate::ledger::{EntryId, FormerMeaning, History, Ledger, PlannedNames, RememberedChange};

/// So many bytes are kept for changes to be undone; of larger ones, the latest alone can be.
const MOST_KEPT: u64 = 64 << 20;

/// What undoing a change is about.
#[derive(Debug)]
pub(super) struct AffectedNames {
    /// Names that stood for something else.
    pub(super) names: Vec<EntryId>,
    /// Units whose names go.
    pub(super) joined: Vec<UnitKey>,
}

impl AffectedNames {
    /// The names, as things are now.
    pub(super) fn all(&self, ledger: &Ledger) -> Vec<EntryId> {
        let joined = self.joined.iter();
        let brought = joined.flat_map(|unit| names_of(ledger, *unit).unwrap_or_default());
        let mut seen = FxHashSet::default();
        let all = self.names.iter().copied().chain(brought);
        all.filter(|id| seen.insert(*id)).collect()
    }
}

impl History {
    /// Notes a change, while its names are still claimed: so changes of one name stand in the order
    /// in which they happened. The answer is its number.
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

    /// The latest change, and what it is about.
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

    /// Takes a change out, if it is still the latest.
    pub(super) fn take(&self, number: u64) -> Option<RememberedChange> {
        let mut changes = lock(&self.changes);
        changes.pop_back_if(|last| last.number == number)
    }

    /// Puts a change back that could not be undone.
    pub(super) fn reinsert(&self, record: RememberedChange) {
        let mut changes = lock(&self.changes);
        let place = changes.partition_point(|one| one.number < record.number);
        changes.insert(place, record);
    }

    /// Forgets the oldest changes, if there are too many.
    pub(super) fn trim(&self, core: &Core) {
        self.shrink(core, self.depth);
    }

    /// Forgets all changes: they were about names that there are no more.
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
    /// What it took away needn't be kept any more.
    pub(super) fn forget(self, ledger: &mut Ledger) {
        for former in &self.former {
            ledger.forget_former(former);
        }
        for unit in &self.left {
            ledger.release_unit(*unit);
        }
    }
}
