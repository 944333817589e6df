//! Computes the size and alignment that a variable's memory must have, and checks whether existing
//! memory meets them.
//!
//! Several objects may contain the same variable: objects of units that all define it, or of one
//! unit that is compiled in parts. One copy counts, and the code of all of them uses it.

use std::sync::Arc;

use rewire_llvm::{Global, GlobalKind, Ordinal};

use super::{EntryId, Ledger, Standing, State};
use crate::base::error::Error;
use crate::base::ids::UnitKey;
use crate::host::thread_local;

/// What all definitions and declarations of a variable together require of its memory. A linker
/// keeps one of the definitions, and all code uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Demand {
    /// The size in bytes of the largest definition.
    pub(crate) size: u64,
    /// The alignment in bytes of the strictest definition or declaration.
    pub(crate) align: u64,
}

impl Default for Demand {
    fn default() -> Self {
        Self { size: 0, align: 1 }
    }
}

/// The maximum alignment in bytes that a declaration can require. Natively, a declaration's
/// alignment doesn't affect the memory, and no type's own alignment exceeds a page.
const PAGE: u64 = 4096;

impl Demand {
    /// What one definition or declaration requires.
    pub(crate) fn of(global: &Global) -> Self {
        match global.kind {
            GlobalKind::Variable { size, align, .. } if global.is_definition => {
                Self { size, align }
            }
            GlobalKind::Variable { align, .. } => Self {
                size: 0,
                align: align.min(PAGE),
            },
            _ => Self::default(),
        }
    }

    /// What both together require.
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            size: self.size.max(other.size),
            align: self.align.max(other.align),
        }
    }
}

impl Ledger {
    /// Returns what all definitions and declarations of a variable require. Former definitions
    /// don't count. If a change is about to put another definition in force, that is `elected`.
    pub(crate) fn demand(&self, id: EntryId, elected: Option<(UnitKey, Ordinal)>) -> Demand {
        let entry = self.entry(id);
        let elected = elected.or(entry.elected);
        let is_former = |one| {
            let is_other = elected != Some(one);
            is_other && !entry.alternatives.contains(&one)
        };
        let demands = entry.mentioned().filter_map(|(unit, ordinal)| {
            let record = self.record(unit)?;
            let global = &record.unit.index.globals[ordinal.index()];
            let counts = !global.is_definition
                || record.standing == Standing::Joining
                || !is_former((unit, ordinal));
            counts.then(|| Demand::of(global))
        });
        demands.fold(Demand::default(), Demand::max)
    }

    /// Returns why the memory of a name can't serve another definition of it, if it can't: code
    /// that was compiled with that definition relies on more than the memory has.
    pub(crate) fn too_small(&self, global: &Global, id: EntryId) -> Option<String> {
        let GlobalKind::Variable { size, align, .. } = global.kind else {
            return None;
        };
        let entry = self.entry(id);
        let (is_aligned, room) = match entry.state {
            // The host's variables are taken as they are.
            State::Present(address) if entry.placed.is_some() => {
                (address.addr().get() % align.max(1) == 0, self.room_at(id))
            }
            State::PerThread { module, offset } => {
                (thread_local::is_aligned(module, offset, align), None)
            }
            _ => return None,
        };
        if !is_aligned {
            return Some(format!(
                "its memory is not aligned to {align} bytes, which the new one demands"
            ));
        }
        let room = room.filter(|room| *room < size)?;
        Some(format!(
            "its memory has room for {room} bytes, and the new one takes {size}"
        ))
    }

    /// Checks that the memory of a name can serve another definition of it that won't be elected,
    /// because the code of that definition's unit uses the memory too.
    pub(crate) fn check_room(
        &self,
        id: EntryId,
        unit: &Arc<str>,
        global: &Global,
    ) -> Result<(), Error> {
        match self.too_small(global, id) {
            Some(reason) => Err(Error::Room {
                name: global.name.clone(),
                unit: unit.clone(),
                reason,
            }),
            None => Ok(()),
        }
    }

    /// Returns the size in bytes of the name's linked definition.
    fn room_at(&self, id: EntryId) -> Option<u64> {
        let (block, place) = self.entry(id).placed?;
        let defined = self.block(block)?.definitions.get(place as usize)?;
        Some(defined.size)
    }
}
