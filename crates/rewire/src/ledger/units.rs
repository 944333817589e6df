//! The list of units, loaded and leaving.

use std::sync::Arc;

use super::Ledger;
use super::Standing;
use super::unit::Unit;
use super::unit_record::UnitRecord;
use crate::base::ids::{UnitId, UnitKey};

impl Ledger {
    /// Creates a unit's record. The unit's names aren't entered yet.
    pub(super) fn insert_unit(
        &mut self,
        standing: Standing,
        make: impl FnOnce(UnitId) -> Unit,
    ) -> Arc<Unit> {
        let order = self.next_unit;
        self.next_unit += 1;
        let engine = self.engine;
        let id = self.units.insert_with_key(|id| UnitRecord {
            unit: Arc::new(make(UnitId::new(engine, id))),
            standing,
            blocks: Vec::new(),
            in_force: 0,
            undo_refs: 0,
            is_superseded: false,
            pending_thread_dtors: 0,
            borrowers: Vec::new(),
            lenders: Vec::new(),
            stood_in_line: Vec::new(),
            mentions: Box::default(),
            has_labels: false,
            handed_out: 0,
            order,
        });
        self.units[id].unit.clone()
    }

    #[inline(never)]
    pub(crate) fn record(&self, id: UnitKey) -> Option<&UnitRecord> {
        self.units.get(id)
    }

    pub(crate) fn record_mut(&mut self, id: UnitKey) -> Option<&mut UnitRecord> {
        self.units.get_mut(id)
    }

    /// Returns the units that were removed or superseded and aren't freed yet.
    pub(crate) fn left_units(&self) -> Vec<Arc<Unit>> {
        let left = self.units.values().filter(|record| record.has_left());
        left.map(|record| record.unit.clone()).collect()
    }

    /// Returns all units whose IR is in memory, including those that have left.
    pub(crate) fn all_units(&self) -> Vec<Arc<Unit>> {
        let all = self.units.values().map(|record| record.unit.clone());
        all.collect()
    }

    /// Returns the units that clients see, in the order in which they were added.
    pub(crate) fn units(&self) -> Vec<Arc<Unit>> {
        let standing = self.units.values().filter(|one| one.is_there());
        let mut standing: Vec<&UnitRecord> = standing.collect();
        standing.sort_unstable_by_key(|record| record.order);
        standing.iter().map(|record| record.unit.clone()).collect()
    }
}
