//! Where labels are ([`super::labels`]).

use std::sync::Arc;

use rewire_memory::ExecAddr;
use rustc_hash::FxHashMap;

use super::uses::BlockId;

/// All labels that were linked, by name.
pub(super) type Labels = FxHashMap<Arc<str>, Vec<Label>>;

/// Where a label is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    pub(super) block: BlockId,
    pub(super) at: ExecAddr,
    /// Other files know it too.
    pub(super) is_global: bool,
    /// It is in a function: it goes out of force with that.
    pub(super) is_in_function: bool,
}
