//! [`FormerMeaning`]: what a name stood for before a change.

use rewire_llvm::Ordinal;

use super::lazy_closure::Lazy;
use super::uses::BlockId;
use super::{EntryId, State};
use crate::base::addresses::BodyAddr;
use crate::base::ids::UnitKey;

/// What a name stood for before a change.
#[derive(Clone, Debug)]
pub(crate) struct FormerMeaning {
    pub(crate) entry: EntryId,
    pub(crate) elected: Option<(UnitKey, Ordinal)>,
    /// A variable's former memory, which is kept as long as the change can be undone.
    pub(super) memory: Option<(BlockId, u32, State)>,
    /// Whether it is a variable that kept its memory.
    pub(crate) kept_memory: bool,
    /// The former definition, if it was not IR.
    pub(crate) given: Option<NonIrDefinition>,
    /// The first block (by `order`) that was linked after the change.
    pub(super) since: u64,
}

/// A definition that isn't in a unit's IR.
#[derive(Clone, Debug)]
pub(crate) enum NonIrDefinition {
    Address(BodyAddr),
    Lazy(Lazy),
    /// Assembly of this unit, whose memory is kept.
    Assembly(UnitKey),
}
