//! The changes that can be undone. What they did is [`super::undoing`]'s, how it is taken back
//! [`crate::change`]'s.

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

/// One change.
#[derive(Debug)]
pub(crate) struct RememberedChange {
    /// Counts up.
    pub(crate) number: u64,
    pub(crate) former: Vec<FormerMeaning>,
    /// Units that it brought.
    pub(crate) joined: Vec<UnitKey>,
    /// Units that it took away.
    pub(crate) left: Vec<UnitKey>,
    /// About how many bytes are kept for it.
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

    /// How many changes are remembered at most.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }
}
