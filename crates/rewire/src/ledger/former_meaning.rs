//! What names stood for before a change.

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
    /// The memory of a variable, which stays for as long as the change can be undone.
    pub(super) memory: Option<(BlockId, u32, State)>,
    /// It is a variable that stayed where it was.
    pub(crate) kept_memory: bool,
    /// What the name stood for, if it was no IR.
    pub(crate) given: Option<NonIrDefinition>,
    /// Blocks from this one on were linked after the change.
    pub(super) since: u64,
}

/// A definition that isn't one of a unit's IR.
#[derive(Clone, Debug)]
pub(crate) enum NonIrDefinition {
    Address(BodyAddr),
    Lazy(Lazy),
    /// By the assembly of this unit, whose memory is kept.
    Assembly(UnitKey),
}
