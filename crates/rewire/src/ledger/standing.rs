//! [`Standing`]: the state of a unit in its life.

/// The state of a unit, from joining to leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// An uncommitted change brings it.
    Joining,
    /// It stays until it is removed.
    UntilRemoved,
    /// It stays as long as a definition of it is in force: for units that brought new bodies.
    WhileInForce,
    /// It was removed, and the removal can be undone.
    RemovedButUndoable,
    /// It was removed for good. Only what threads may still be in is left.
    Leaving,
}

impl Standing {
    /// Whether nothing of the unit is in force, nor can be unless its removal is undone.
    pub(crate) fn is_removed(self) -> bool {
        matches!(self, Self::RemovedButUndoable | Self::Leaving)
    }
}
