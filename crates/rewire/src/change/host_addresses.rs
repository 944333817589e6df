//! Changes names that the client defined as host addresses: to other addresses, or to definitions
//! in IR.

use std::sync::Arc;

use rewire_memory::ExecAddr;

use super::changed::Replaced;
use super::pending::PendingChange;
use super::users::users_of;
use crate::base::addresses::BodyAddr;
use crate::base::error::Error;
use crate::ledger::{Definition, EntryId, EntryKind, Ledger, NonIrDefinition, UseAspect};

impl PendingChange<'_> {
    /// Plans that a name stands for an address of the host.
    pub(super) fn define_address(
        &mut self,
        name: &Arc<str>,
        address: ExecAddr,
    ) -> Result<(), Error> {
        let core = self.core;
        let mut ledger = core.ledger();
        let id = ledger.find_or_enter(self.library, name);
        let entry = ledger.entry(id);
        let is_imported =
            matches!(entry.definition(), Definition::Alias(..)) && entry.elected().is_none();
        let is_free = matches!(entry.definition(), Definition::None | Definition::Absolute);
        let is_taken = self.planned.targets.contains_key(&id) || self.is_given(id);
        if !(is_free || is_imported) || is_taken {
            return Err(Error::AlreadyDefined { name: name.clone() });
        }
        check_host(&ledger, id)?;
        if entry.definition() == Definition::Absolute {
            self.changed.replaced.push(Replaced {
                name: name.clone(),
                generation: entry.generation().next(),
                users: users_of(&ledger, id).len(),
                pointers: Vec::new(),
            });
        } else {
            self.changed.added.push(name.clone());
        }
        self.drop_copies(&ledger, id)?;
        self.planned
            .given
            .push((id, NonIrDefinition::Address(BodyAddr::new(address))));
        Ok(())
    }

    /// Whether the change defines the name as an address.
    pub(super) fn is_given(&self, id: EntryId) -> bool {
        self.planned.given.iter().any(|(given, _)| *given == id)
    }
}

/// Checks that the users of something in the host can follow to another definition.
pub(super) fn check_host(ledger: &Ledger, id: EntryId) -> Result<(), Error> {
    let entry = ledger.entry(id);
    let refuse = |reason: &str| {
        Err(Error::Replace {
            name: entry.name().clone(),
            reason: reason.to_owned(),
        })
    };
    let is_bound = |(_, one): (_, &crate::ledger::Use)| one.aspect == UseAspect::Direct;
    if entry.is_bound() || ledger.users(id).any(is_bound) {
        return refuse("frozen code calls the host's directly");
    }
    let is_variable = entry.kind() != EntryKind::Function && entry.is_present();
    if entry.definition() == Definition::None && is_variable {
        return refuse("it is a variable of the host's, which others use where it is");
    }
    Ok(())
}
