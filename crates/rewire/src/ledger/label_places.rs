//! The places of labels in linked code ([`super::labels`]).

use std::sync::Arc;

use rewire_memory::ExecAddr;
use rustc_hash::FxHashMap;

use super::uses::BlockId;

/// All labels that were linked, by name.
pub(super) type Labels = FxHashMap<Arc<str>, Vec<Label>>;

/// The place of a label.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    pub(super) block: BlockId,
    pub(super) at: ExecAddr,
    /// Whether it is a global symbol.
    pub(super) is_global: bool,
    /// Whether it is in a function; if so, it goes out of force with the function.
    pub(super) is_in_function: bool,
}
