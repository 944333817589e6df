//! The definitions that linked objects bring.

use crate::base::addresses::BodyAddr;
use crate::base::ids::EntryId;

/// A definition that the batch brings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkedDefinition {
    pub(crate) entry: EntryId,
    pub(crate) start: BodyAddr,
    pub(crate) size: u64,
    pub(crate) kind: DefinitionKind,
}

/// What kind of definition, as far as publishing differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DefinitionKind {
    /// A body whose slot will lead to it.
    Body,
    /// Bytes that stay where they are.
    Fixed,
    /// A thread-local variable, in this module at this offset.
    Thread { module: u64, offset: u64 },
}
