//! Plans what each name will stand for, and which code has to be compiled again because of it.

use std::sync::Arc;

use rewire_llvm::{GlobalKind, Linkage, Ordinal, TypeId};

use super::changed::Replaced;
use super::host_addresses::check_host;
use super::inherited_memory;
use super::join::Contracts;
use super::pending::PendingChange;
use super::steps::TypeChange;
use super::users::{names, users_and_inliners_of};
use crate::base::error::Error;
use crate::ledger::unit::Unit;
use crate::ledger::{Definition, EntryId, EntryKind, InheritedMemory, Ledger, Standing};

impl PendingChange<'_> {
    /// Plans the definition of a name that nothing, or only a weaker definition, defined before.
    pub(super) fn define(
        &mut self,
        ledger: &mut Ledger,
        unit: &Arc<Unit>,
        ordinal: Ordinal,
        id: EntryId,
    ) -> Result<(), Error> {
        self.changed.added.push(ledger.entry(id).name().clone());
        if ledger.define_new(unit, ordinal, id) {
            self.new.push(id);
            // Code may hold copies of what an inline source said of the name.
            ledger.leave_described(id);
            return self.drop_code(ledger, ledger.inliners(id));
        }
        self.plan(ledger, unit, ordinal, id, InheritedMemory::Nothing);
        self.drop_copies(ledger, id)
    }

    pub(super) fn define_or_replace(
        &mut self,
        ledger: &mut Ledger,
        unit: &Arc<Unit>,
        ordinal: Ordinal,
        contracts: &Contracts,
        former: Option<&Unit>,
    ) -> Result<(), Error> {
        let global = &unit.index.globals[ordinal.index()];
        let Some(id) = unit
            .entry(ordinal)
            .filter(|_| global.kind != GlobalKind::Intrinsic)
        else {
            return Ok(());
        };
        let entry = ledger.entry(id);
        let refuse = |reason: &str| {
            Err(Error::Replace {
                name: global.name.clone(),
                reason: reason.to_owned(),
            })
        };
        match entry.definition() {
            Definition::None if entry.is_bound() => Err(Error::Frozen {
                name: global.name.clone(),
                unit: unit.name.clone(),
            }),
            Definition::None if entry.is_present() && entry.kind() != EntryKind::Function => {
                refuse("it is a variable of the host's, which others use where it is")
            }
            Definition::None => self.define(ledger, unit, ordinal, id),
            Definition::Alias(..) if entry.elected().is_none() => {
                self.define(ledger, unit, ordinal, id)
            }
            Definition::Assembly(_) | Definition::Engine => refuse("it is not defined by IR"),
            Definition::Absolute if self.is_given(id) => Err(Error::AlreadyDefined {
                name: global.name.clone(),
            }),
            Definition::Absolute => {
                check_host(ledger, id)?;
                self.replace(ledger, unit, ordinal, id, contracts)
            }
            _ => {
                // A copy of a definition (weak or COMDAT) isn't a newer version of another unit's
                // copy.
                let is_copy = matches!(global.linkage, Linkage::Weak | Linkage::LinkOnce);
                let here = self.defined_here(ledger, id, unit);
                let elected = entry.elected().map(|(unit, _)| unit);
                let is_other = elected.is_some() && elected != former.map(|former| former.id);
                if is_copy && (here.is_some() || is_other && !self.going.contains(&id)) {
                    return ledger.check_room(id, &unit.name, global);
                }
                match here {
                    Some(first) => Err(Error::Duplicate {
                        name: global.name.clone(),
                        first,
                        second: unit.name.clone(),
                    }),
                    None => self.replace(ledger, unit, ordinal, id, contracts),
                }
            }
        }
    }

    /// Returns the other module of this change whose strong definition the name will stand for, if
    /// there is one.
    fn defined_here(&self, ledger: &Ledger, id: EntryId, unit: &Unit) -> Option<Arc<str>> {
        let planned = self.planned.targets.get(&id);
        let planned = planned.map(|target| (target.unit, target.ordinal));
        let (by, ordinal) = planned.or(ledger.entry(id).elected())?;
        // Of the units that are joining, only this change's can define names that it has claimed.
        let record = ledger
            .record(by)
            .filter(|it| it.standing == Standing::Joining)?;
        let by = Some(&record.unit).filter(|by| by.id != unit.id)?;
        let linkage = by.index.globals[ordinal.index()].linkage;
        let is_copy = matches!(linkage, Linkage::Weak | Linkage::LinkOnce);
        (!is_copy).then(|| by.name.clone())
    }

    /// Plans that a name's definition is replaced.
    pub(super) fn replace(
        &mut self,
        ledger: &mut Ledger,
        unit: &Arc<Unit>,
        ordinal: Ordinal,
        id: EntryId,
        contracts: &Contracts,
    ) -> Result<(), Error> {
        let global = &unit.index.globals[ordinal.index()];
        if let Some(frozen) = ledger.frozen_unit(id) {
            let name = &frozen.name;
            return Err(Error::Replace {
                name: global.name.clone(),
                reason: format!(
                    "{name}, which defines it, was added as frozen: its callers are bound for ever"
                ),
            });
        }
        if let Some(reason) = inherited_memory::other_storage(ledger, global, id) {
            return Err(Error::Replace {
                name: global.name.clone(),
                reason: reason.to_owned(),
            });
        }
        let misfit = misfit(ledger, unit, ordinal, id, contracts);
        let has_heritage = misfit.is_none()
            && inherited_memory::takes_over(ledger, global, id)
            && !self.resets_variables
            && !self.renewed.contains(&id);
        let too_small = match has_heritage {
            true => ledger.too_small(global, id),
            false => None,
        };
        let memory = match (has_heritage, &too_small) {
            (false, _) => InheritedMemory::Nothing,
            (true, None) => InheritedMemory::Memory,
            (true, Some(_)) => inherited_memory::moved(ledger, id),
        };
        let users = users_and_inliners_of(ledger, id);
        if let Some(reason) = misfit.or(too_small) {
            match self.type_change {
                TypeChange::Refuse => {
                    return Err(Error::Contract {
                        name: global.name.clone(),
                        reason,
                        users: names(ledger, &users),
                    });
                }
                TypeChange::GoAhead => {}
                TypeChange::Recompile => self.drop_code(ledger, users.iter().copied())?,
            }
        }
        let entry = ledger.entry(id);
        self.changed.replaced.push(Replaced {
            name: entry.label().into(),
            generation: entry.generation().next(),
            users: users.len(),
            pointers: match memory {
                InheritedMemory::Memory => Vec::new(),
                _ => inherited_memory::pointers_to(ledger, id),
            },
        });
        self.plan(ledger, unit, ordinal, id, memory);
        if memory != InheritedMemory::Memory {
            self.drop_copies(ledger, id)?;
        }
        Ok(())
    }
}

/// Returns why a new definition doesn't fit the users of the former one, if it doesn't.
fn misfit(
    ledger: &Ledger,
    unit: &Unit,
    ordinal: Ordinal,
    id: EntryId,
    contracts: &Contracts,
) -> Option<String> {
    let global = &unit.index.globals[ordinal.index()];
    let entry = ledger.entry(id);
    if let Some(known) = entry.value_type()
        && known.id != global.type_id
        && global.type_id != TypeId::UNKNOWN
    {
        return Some(match known.name == global.type_name {
            true => format!(
                "both are of a type {}, which has other fields now",
                known.name
            ),
            false => format!(
                "its type is {}, and the new one's {}",
                known.name, global.type_name
            ),
        });
    }
    let (former, ordinal_there) = entry.elected()?;
    let former = &ledger.unit(former)?.index.globals[ordinal_there.index()];
    former.contract.broken_by(contracts.of(ordinal)?)
}
