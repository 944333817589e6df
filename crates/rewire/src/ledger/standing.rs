//! How units stand.

/// How a unit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A change that isn't committed brings it.
    Joining,
    /// It stays until it is removed.
    UntilRemoved,
    /// It stays as long as something of it is in force: new bodies came with it.
    WhileInForce,
    /// It was removed, and a change that can be undone remembers it.
    RemovedButUndoable,
    /// It is gone but for what threads may still be in.
    Leaving,
}

impl Standing {
    /// Whether nothing of it is in force, nor will be unless its removal is undone.
    pub(crate) fn is_removed(self) -> bool {
        matches!(self, Self::RemovedButUndoable | Self::Leaving)
    }
}
