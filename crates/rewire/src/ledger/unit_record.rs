//! [`UnitRecord`]: what the ledger records for a unit.

use std::sync::Arc;

use rewire_llvm::Ordinal;

use super::standing::Standing;
use super::unit::Unit;
use super::uses::BlockId;
use crate::base::ids::UnitKey;

/// The state of one unit that changes while it is loaded.
#[derive(Debug)]
pub(crate) struct UnitRecord {
    pub(crate) unit: Arc<Unit>,
    pub(crate) standing: Standing,
    /// The blocks that were linked from it.
    pub(crate) blocks: Vec<BlockId>,
    /// The number of global names that stand for its definitions.
    pub(crate) in_force: u32,
    /// The number of undoable changes that need it.
    pub(crate) undo_refs: u32,
    /// Whether the unit was superseded rather than removed. If so, its variables stay in memory.
    pub(crate) is_superseded: bool,
    /// The number of destructors that will be called and need the unit's code: those of
    /// thread-local variables, and of objects that outlive the unit.
    pub(crate) pending_destructors: u32,
    /// The units that use this unit's locals ([`super::borrowing`]).
    pub(super) borrowers: Vec<UnitKey>,
    /// The units whose locals this one uses.
    pub(super) lenders: Vec<UnitKey>,
    /// The definitions that were alternatives of their names when the unit was removed; they become
    /// alternatives again if the removal is undone.
    pub(super) stood_in_line: Vec<Ordinal>,
    /// For each of its globals, the index in [`Entry::mentions`](super::Entry) of the entry that it
    /// names.
    pub(super) mentions: Box<[u32]>,
    /// Whether names stand for labels in its functions' assembly.
    pub(crate) has_labels: bool,
    /// How often a call was sent to one of its bodies by address after the unit had left, from code
    /// that doesn't keep the unit in memory.
    pub(super) handed_out: u64,
    /// The position among all units in the order of adding.
    pub(super) order: u64,
}

impl UnitRecord {
    /// Whether the unit was removed or superseded by a newer version.
    pub(crate) fn has_left(&self) -> bool {
        matches!(
            self.standing,
            Standing::RemovedButUndoable | Standing::Leaving
        )
    }

    /// Whether clients see the unit.
    pub(crate) fn is_there(&self) -> bool {
        match self.standing {
            Standing::UntilRemoved => true,
            Standing::WhileInForce => self.in_force > 0,
            Standing::Joining | Standing::RemovedButUndoable | Standing::Leaving => false,
        }
    }
}
