//! [`ArrayPiece`]: a unit's part of a table.

use std::sync::Arc;

use rewire_memory::ExecAddr;

use crate::base::ids::UnitKey;

/// One object's part of a table that the C library or the program walks.
#[derive(Clone, Debug)]
pub(crate) struct ArrayPiece {
    pub(crate) unit: UnitKey,
    pub(crate) section: Arc<str>,
    pub(crate) start: ExecAddr,
    pub(crate) size: u64,
}
