//! Units that use what is other units' own.
//!
//! A function's new body may declare variables and functions that are local to the unit that the
//! former body came from, and means them. That unit stays for as long as the new body's does: it
//! has the values of variables without memory, and the bodies of functions that nobody has called.

use rustc_hash::FxHashSet;

use super::unit::Unit;
use super::{EntryId, Ledger};
use crate::base::ids::UnitKey;

impl Ledger {
    /// Notes whose own names a unit that joins declares.
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

    /// What is a unit's own has become another's: so has what others borrow of it.
    pub(super) fn pass_borrowers(&mut self, from: UnitKey, to: UnitKey) {
        let borrowers = self.record(from).map(|record| record.borrowers.clone());
        for borrower in borrowers.unwrap_or_default() {
            if borrower != to {
                self.borrow_from(borrower, to);
            }
        }
    }

    /// A unit that is freed borrows nothing any more. The answer is of whom it did.
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

    /// Who borrows of a unit and doesn't go with it.
    pub(super) fn borrower_outside(
        &self,
        lender: UnitKey,
        going: &FxHashSet<UnitKey>,
    ) -> Option<UnitKey> {
        let mut borrowers = self.record(lender)?.borrowers.iter().copied();
        borrowers.find(|one| !going.contains(one))
    }

    /// What others borrow of a unit, with the unit that does.
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

    /// The unit itself, and those in which its functions' names may mean something: for a module
    /// that brings a newer body for one of them.
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

    /// What only the unit knows by a name that the function had its body from at first: inline
    /// assembly names such things, and says so to nobody.
    pub(crate) fn own_of_origin(&self, unit: &Unit, name: &str) -> Option<EntryId> {
        let origin = self.unit(unit.inherited.origin?)?;
        origin.local(name).filter(|_| !unit.says(name))
    }
}
