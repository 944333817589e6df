//! Records which units use the locals of other units.
//!
//! A function's new body may declare variables and functions that are local to the unit of the
//! former body, and refer to those. That unit then stays as long as the new body's unit does,
//! because it holds the initial values of variables without memory, and the bodies of functions
//! that nothing has called yet.

use rustc_hash::FxHashSet;

use super::unit::Unit;
use super::{EntryId, Ledger};
use crate::base::ids::UnitKey;

impl Ledger {
    /// Records which units' locals a joining unit declares.
    pub(super) fn borrow_declared(&mut self, unit: &Unit) {
        let declared = unit.inherited.declarations.iter();
        let entries: Vec<EntryId> = declared.filter_map(|it| unit.entry(*it)).collect();
        for id in entries {
            if let Some((lender, _)) = self.entry(id).elected {
                self.borrow_from(unit.id, lender);
            }
        }
    }

    fn borrow_from(&mut self, borrower: UnitKey, lender: UnitKey) {
        let Some(record) = self.record_mut(lender) else {
            return;
        };
        if !record.borrowers.contains(&borrower) {
            record.borrowers.push(borrower);
            if let Some(record) = self.record_mut(borrower) {
                record.lenders.push(lender);
            }
        }
    }

    /// Transfers a unit's borrowers to the unit that has taken over its locals.
    pub(super) fn pass_borrowers(&mut self, from: UnitKey, to: UnitKey) {
        let borrowers = self.record(from).map(|record| record.borrowers.clone());
        for borrower in borrowers.unwrap_or_default() {
            if borrower != to {
                self.borrow_from(borrower, to);
            }
        }
    }

    /// Ends the borrowing of a unit that is freed. Returns the units that it borrowed from.
    pub(super) fn stop_borrowing(&mut self, borrower: UnitKey) -> Vec<UnitKey> {
        let lenders = self
            .record_mut(borrower)
            .map(|it| std::mem::take(&mut it.lenders));
        let lenders = lenders.unwrap_or_default();
        for lender in &lenders {
            if let Some(record) = self.record_mut(*lender) {
                record.borrowers.retain(|one| *one != borrower);
            }
        }
        lenders
    }

    /// Returns a unit that borrows from `lender` and isn't freed with it.
    pub(super) fn borrower_outside(
        &self,
        lender: UnitKey,
        going: &FxHashSet<UnitKey>,
    ) -> Option<UnitKey> {
        let mut borrowers = self.record(lender)?.borrowers.iter().copied();
        borrowers.find(|one| !going.contains(one))
    }

    /// Returns what others borrow from a unit, each with the borrower.
    pub(crate) fn borrowed_of(&self, lender: UnitKey) -> Vec<(UnitKey, EntryId)> {
        let borrowers = self.record(lender).map_or(&[][..], |it| &it.borrowers);
        let units = borrowers.iter().filter_map(|one| self.unit(*one));
        let borrowed = units.filter_map(|unit| {
            let declared = unit.inherited.declarations.iter();
            let mut entries = declared.filter_map(|it| unit.entry(*it));
            let is_lent = |id: &EntryId| self.entry(*id).elected.is_some_and(|it| it.0 == lender);
            Some((unit.id, entries.find(is_lent)?))
        });
        borrowed.collect()
    }

    /// Returns the units in which the names of `unit`'s functions may have their meaning: the unit
    /// itself, its lenders and its origin. A module that brings a newer body for such a function
    /// looks names up there.
    pub(crate) fn scopes_of(&self, unit: &Unit) -> Vec<UnitKey> {
        let lenders = self.record(unit.id).map_or(&[][..], |it| &it.lenders);
        let mut scopes = vec![unit.id];
        for scope in lenders.iter().chain(&unit.inherited.origin) {
            if !scopes.contains(scope) {
                scopes.push(*scope);
            }
        }
        scopes
    }

    /// Returns the local of the unit that the function's body first came from, by its source name:
    /// inline assembly may refer to it without declaring it.
    pub(crate) fn own_of_origin(&self, unit: &Unit, name: &str) -> Option<EntryId> {
        let origin = self.unit(unit.inherited.origin?)?;
        origin.local(name).filter(|_| !unit.says(name))
    }
}
