//! [`ConstructionGate`]: keeps callers out of a change's new code ([`super::closed_names`]).

use rustc_hash::FxHashMap;

use super::uses::BlockId;
use crate::base::addresses::BodyAddr;
use crate::base::ids::{EntryId, ThreadKey};

/// Keeps callers out of the new code of a change until its objects are constructed.
#[derive(Debug)]
pub(super) struct ConstructionGate {
    pub(super) constructing: ThreadKey,
    /// The former bodies, which other threads call meanwhile; `None` for a function that had none.
    pub(super) former: FxHashMap<EntryId, Option<BodyAddr>>,
    /// The blocks of those bodies, which are pinned as long as the gate is closed.
    pub(super) pinned: Vec<BlockId>,
    /// Whether only code of the former version may still call the former bodies; all other callers
    /// wait.
    pub(super) is_for_insiders: bool,
}
