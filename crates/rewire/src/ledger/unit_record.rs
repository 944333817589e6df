//! What the ledger knows of a unit.

use std::sync::Arc;

use rewire_llvm::Ordinal;

use super::standing::Standing;
use super::unit::Unit;
use super::uses::BlockId;
use crate::base::ids::UnitKey;

/// What the ledger knows of a unit.
#[derive(Debug)]
pub(crate) struct UnitRecord {
    pub(crate) unit: Arc<Unit>,
    pub(crate) standing: Standing,
    /// The blocks that were made of it.
    pub(crate) blocks: Vec<BlockId>,
    /// How many global names its definitions stand for.
    pub(crate) in_force: u32,
    /// How many changes that can be undone need it.
    pub(crate) undo_refs: u32,
    /// It was superseded, not removed: its variables stay.
    pub(crate) is_superseded: bool,
    /// How many destructors of thread-local variables it has still to run.
    pub(crate) pending_thread_dtors: u32,
    /// Units that use what is this one's own ([`super::borrowing`]).
    pub(super) borrowers: Vec<UnitKey>,
    /// Units of which this one uses what is their own.
    pub(super) lenders: Vec<UnitKey>,
    /// Its definitions that would have taken over, if it was removed and may come back.
    pub(super) stood_in_line: Vec<Ordinal>,
    /// The place of each of its globals among those that mention the same entry.
    pub(super) mentions: Box<[u32]>,
    /// Names stand for labels of its functions' assembly.
    pub(crate) has_labels: bool,
    /// How often a call went to one of its bodies by address after it had left, from code that
    /// doesn't keep it.
    pub(super) handed_out: u64,
    /// Counts up with each unit.
    pub(super) order: u64,
}

impl UnitRecord {
    /// Whether it was removed, or a newer version took its place.
    pub(crate) fn has_left(&self) -> bool {
        matches!(
            self.standing,
            Standing::RemovedButUndoable | Standing::Leaving
        )
    }

    /// Whether it is there for the client.
    pub(crate) fn is_there(&self) -> bool {
        match self.standing {
            Standing::UntilRemoved => true,
            Standing::WhileInForce => self.in_force > 0,
            Standing::Joining | Standing::RemovedButUndoable | Standing::Leaving => false,
        }
    }
}
