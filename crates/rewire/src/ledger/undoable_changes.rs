//! The list of changes that can be undone. [`super::undoing`] records and restores names;
//! [`crate::change`] performs the undoing.

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;

use rewire_sync::Mutex;

use super::FormerMeaning;
use crate::base::ids::UnitKey;

/// The changes that can be undone; the last one is the latest.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) depth: usize,
    pub(crate) changes: Mutex<VecDeque<RememberedChange>>,
    /// The number of the latest change.
    pub(crate) latest: AtomicU64,
}

/// One change that can be undone.
#[derive(Debug)]
pub(crate) struct RememberedChange {
    /// The position among all changes.
    pub(crate) number: u64,
    pub(crate) former: Vec<FormerMeaning>,
    /// The units that it added.
    pub(crate) joined: Vec<UnitKey>,
    /// The units that it removed.
    pub(crate) left: Vec<UnitKey>,
    /// The approximate number of bytes that are kept for it.
    pub(crate) bytes: u64,
}

impl History {
    pub(crate) fn new(depth: usize) -> Self {
        Self {
            depth,
            changes: Mutex::default(),
            latest: AtomicU64::new(0),
        }
    }

    /// The maximum number of changes that are remembered.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }
}
