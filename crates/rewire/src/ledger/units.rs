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
            pending_destructors: 0,
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

    pub(crate) fn record(&self, id: UnitKey) -> Option<&UnitRecord> {
        self.units.get(id)
    }

    pub(super) fn record_mut(&mut self, id: UnitKey) -> Option<&mut UnitRecord> {
        self.units.get_mut(id)
    }

    /// Keeps a unit that was made while the program runs until it is removed, though no name stands
    /// for any of it: its assembly is in force as long as it is loaded.
    pub(crate) fn keep_until_removed(&mut self, id: UnitKey) {
        if let Some(record) = self.record_mut(id) {
            record.standing = Standing::UntilRemoved;
        }
    }

    /// Somebody will call a destructor that needs the unit's code: the unit stays for that.
    pub(crate) fn expect_destructor(&mut self, id: UnitKey) {
        if let Some(record) = self.record_mut(id) {
            record.pending_destructors += 1;
        }
    }

    /// A destructor that needed the unit's code has run, or won't be called.
    pub(crate) fn destructor_is_over(&mut self, id: UnitKey) {
        if let Some(record) = self.record_mut(id) {
            record.pending_destructors -= 1;
        }
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
