//! What a change holds closed ([`super::closed_names`]).

use rustc_hash::FxHashMap;

use super::uses::BlockId;
use crate::base::addresses::BodyAddr;
use crate::base::ids::{EntryId, ThreadKey};

/// What a change holds closed.
#[derive(Debug)]
pub(super) struct ConstructionGate {
    pub(super) constructing: ThreadKey,
    /// The bodies that others call.
    pub(super) former: FxHashMap<EntryId, Option<BodyAddr>>,
    /// Where those are: they stay as long.
    pub(super) pinned: Vec<BlockId>,
    /// Only who is in the former version still calls it; others wait.
    pub(super) is_for_insiders: bool,
}
