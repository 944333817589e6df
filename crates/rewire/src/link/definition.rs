//! The definitions in linked objects.

use crate::base::addresses::BodyAddr;
use crate::base::frame_text::FrameText;
use crate::base::ids::EntryId;

/// A definition in the batch that is being linked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkedDefinition {
    pub(crate) entry: EntryId,
    pub(crate) start: BodyAddr,
    pub(crate) size: u64,
    /// The quick frame that a body has, or continues.
    pub(crate) frame: Option<FrameText>,
    pub(crate) kind: DefinitionKind,
}

/// The kinds of definition that are published differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DefinitionKind {
    /// A function body, to which a slot will lead.
    Body,
    /// Data or code that is used by its own address.
    Fixed,
    /// A copy in an object file of what another unit defines. It takes over if that leaves.
    Spare,
    /// A thread-local variable: its module and offset.
    Thread { module: u64, offset: u64 },
}
