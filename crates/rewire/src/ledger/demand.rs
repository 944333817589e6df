//! How large and how strictly aligned a variable's memory has to be, and whether it is.
//!
//! Several objects may bring one variable: of units that define it alike, or of one unit that is
//! compiled piece by piece. One copy counts, and the code of all uses it.

use std::sync::Arc;

use rewire_llvm::{Global, GlobalKind, Ordinal};

use super::{EntryId, Ledger, Standing, State};
use crate::base::error::Error;
use crate::base::ids::UnitKey;
use crate::host::thread_local;

/// What all who define or declare a variable ask of its memory together: a linker keeps one of the
/// definitions, and the code of all of them uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Demand {
    /// The bytes of the largest definition.
    pub(crate) size: u64,
    /// The alignment in bytes of the strictest definition or declaration.
    pub(crate) align: u64,
}

impl Default for Demand {
    fn default() -> Self {
        Self { size: 0, align: 1 }
    }
}

/// What a declaration can ask for at most, in bytes: natively its alignment gives no memory any,
/// and more than a page's is never a type's own.
const PAGE: u64 = 4096;

impl Demand {
    /// What one definition or declaration asks for.
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

    /// What both ask for.
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            size: self.size.max(other.size),
            align: self.align.max(other.align),
        }
    }
}

impl Ledger {
    /// What all who define or declare a variable ask of its memory. A change may make this
    /// definition, `elected`, the one of its name; former definitions don't count then.
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

    /// Why the memory of what a name stands for doesn't do for a definition, if it doesn't: code
    /// that was compiled with the definition relies on more than the memory has.
    pub(crate) fn too_small(&self, global: &Global, id: EntryId) -> Option<String> {
        let GlobalKind::Variable { size, align, .. } = global.kind else {
            return None;
        };
        let entry = self.entry(id);
        let (is_aligned, room) = match entry.state {
            // The host's variables are where they are.
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

    /// Checks that what a name stands for has memory that does for another definition of it, one
    /// that won't count: the code of its unit uses that memory.
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

    /// How many bytes there are of what a name stands for, if it was linked.
    fn room_at(&self, id: EntryId) -> Option<u64> {
        let (block, place) = self.entry(id).placed?;
        let defined = self.block(block)?.definitions.get(place as usize)?;
        Some(defined.size)
    }
}
