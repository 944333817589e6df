//! Records which units' IR defines or declares which names.
//!
//! Each entry has a list of the globals that define or declare it, and each of those globals knows
//! its index in that list. So the time to add or remove a unit depends on that unit alone, and the
//! units that may contain users of a name are found without looking at any other unit.

use std::sync::Arc;

use rewire_llvm::Ordinal;
use rustc_hash::FxHashSet;

use super::entry::Mention;
use super::unit::Unit;
use super::{EntryId, Ledger};
use crate::base::ids::UnitKey;

impl Ledger {
    /// Enters a unit's globals as mentions of their entries.
    pub(super) fn mention_all(&mut self, unit: &Unit) {
        let mut places = Vec::with_capacity(unit.entries.len());
        for (number, id) in unit.entries.iter().enumerate() {
            let ordinal = Ordinal::new(number as u32);
            let list = id.and_then(|id| self.entries.get_mut(id));
            places.push(list.map_or(0, |entry| {
                entry.mentions.push(Mention {
                    unit: unit.id,
                    ordinal,
                });
                entry.mentions.len() as u32 - 1
            }));
        }
        if let Some(record) = self.record_mut(unit.id) {
            record.mentions = places.into();
        }
    }

    /// Removes a global from an entry's mentions; the last of the list moves into the gap.
    pub(super) fn unmention(&mut self, id: EntryId, unit: UnitKey, ordinal: Ordinal) {
        let known = self.record(unit);
        let place = known.and_then(|record| record.mentions.get(ordinal.index()).copied());
        let (Some(place), Some(entry)) = (place, self.entries.get_mut(id)) else {
            return;
        };
        let place = place as usize;
        if entry.mentions.get(place) != Some(&Mention { unit, ordinal }) {
            return;
        }
        entry.mentions.swap_remove(place);
        if let Some(moved) = entry.mentions.get(place).copied()
            && let Some(record) = self.record_mut(moved.unit)
            && let Some(known) = record.mentions.get_mut(moved.ordinal.index())
        {
            *known = place as u32;
        }
    }

    /// Returns the units that mention one of these names: they may contain users that aren't
    /// compiled.
    pub(crate) fn units_that_mention(&self, ids: &FxHashSet<EntryId>) -> Vec<Arc<Unit>> {
        let mentions = ids.iter().flat_map(|id| &self.entry(*id).mentions);
        let units: FxHashSet<UnitKey> = mentions.map(|one| one.unit).collect();
        let standing = units.into_iter().filter_map(|id| {
            let record = self.record(id)?;
            record.is_there().then(|| record.unit.clone())
        });
        standing.collect()
    }
}
