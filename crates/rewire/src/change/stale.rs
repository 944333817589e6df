//! Finds the code that has to be compiled again because of a change.

use rewire_llvm::GlobalKind;

use super::pending::PendingChange;
use super::users::{placed_users_of, users_of};
use crate::base::error::Error;
use crate::ledger::{Definition, Entry, EntryId, EntryKind, InheritedMemory, Ledger};

impl PendingChange<'_> {
    /// Drops the code that may contain a copy of what a name stood for, or its former address; such
    /// functions are compiled again when they are next called. Constants that refer to the name are
    /// linked again at once. Users of an alias were linked with the alias's target, so they count
    /// as users too.
    pub(super) fn drop_copies(&mut self, ledger: &Ledger, id: EntryId) -> Result<(), Error> {
        let mut waiting = vec![id];
        while let Some(id) = waiting.pop() {
            self.drop_code(ledger, ledger.inliners(id))?;
            let (target, _) = ledger.target(id);
            let users = if target != id {
                self.drop_code(ledger, ledger.inliners(target))?;
                self.drop_code(ledger, [target])?;
                let mut users = users_of(ledger, target);
                // Frozen code can't be compiled again, so it counts only if it certainly names the
                // alias.
                let name = &ledger.entry(id).name();
                users.retain(|user| {
                    let frozen = ledger.frozen_unit(*user);
                    frozen.is_none_or(|frozen| frozen.says(name))
                });
                users
            } else if has_own_place(ledger.entry(id)) {
                placed_users_of(ledger, id)
            } else {
                continue;
            };
            for user in users {
                let entry = ledger.entry(user);
                if entry.kind() == EntryKind::Function {
                    self.drop_code(ledger, [user])?;
                    continue;
                }
                let Definition::Ir(unit, ordinal) = entry.definition() else {
                    continue;
                };
                let Some(unit) = ledger.unit(unit) else {
                    continue;
                };
                let kind = &unit.index.globals[ordinal.index()].kind;
                let is_constant = matches!(kind, GlobalKind::Variable { constant: true, .. });
                if is_constant && self.stale_constants.insert(user) {
                    waiting.push(user);
                }
            }
        }
        Ok(())
    }

    /// Plans that constants which contain a former address are linked again, once it is known which
    /// of them the change itself defines or removes.
    pub(super) fn plan_stale_constants(&mut self) {
        let core = self.core;
        let ledger = core.ledger();
        for id in std::mem::take(&mut self.stale_constants).iter() {
            let is_settled =
                self.planned.targets.contains_key(id) || self.planned.withdrawn.contains(*id);
            if let Definition::Ir(unit, ordinal) = ledger.entry(*id).definition()
                && let Some(unit) = ledger.unit(unit)
                && !is_settled
            {
                self.plan(&ledger, unit, ordinal, *id, InheritedMemory::Nothing);
            }
        }
    }

    /// Drops the code of functions; they are compiled again when they are next called.
    pub(super) fn drop_code(
        &mut self,
        ledger: &Ledger,
        functions: impl IntoIterator<Item = EntryId>,
    ) -> Result<(), Error> {
        for id in functions {
            if ledger.entry(id).kind() != EntryKind::Function || self.planned.stale.contains(id) {
                continue;
            }
            if let Some(frozen) = ledger.frozen_unit(id) {
                return Err(Error::Replace {
                    name: ledger.entry(id).name().clone(),
                    reason: format!(
                        "it would have to be compiled again, and {}, which defines it, was added \
                         as frozen",
                        frozen.name
                    ),
                });
            }
            self.planned.stale.insert(id);
        }
        Ok(())
    }
}

/// Whether users of a name's address have that of the definition itself, not of a stub.
fn has_own_place(entry: &Entry) -> bool {
    let is_host = matches!(entry.definition(), Definition::None | Definition::Absolute);
    entry.is_present() && (entry.is_fixed() || is_host)
}
