//! A function's continuations, and what the checks at its loops' heads read, as plain data
//! ([`super::continuations`]).

use std::sync::atomic::{AtomicI32, Ordering};

use rewire_memory::ExecAddr;

use super::uses::BlockId;
use crate::base::addresses::BodyAddr;
use crate::base::frame_text::FrameText;

/// Which of a function's continuations is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContinuationKey {
    pub(crate) head: u32,
    /// Whether it was compiled because the loop is hot.
    pub(crate) is_optimised: bool,
    /// The frame of the bodies that it may follow.
    pub(crate) frame: Option<FrameText>,
}

/// A continuation in force.
#[derive(Clone, Copy, Debug)]
pub(super) struct Continuation {
    pub(super) key: ContinuationKey,
    pub(super) block: BlockId,
    pub(super) place: u32,
    pub(super) start: BodyAddr,
}

/// The words that the checks at a body's loop heads read: the first one's address, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LoopWords {
    pub(crate) start: ExecAddr,
    pub(crate) count: u32,
}

impl LoopWords {
    /// Has the check that reads a word ask at the next pass.
    pub(crate) fn strike(word: &AtomicI32) {
        word.store(0, Ordering::Relaxed);
    }

    pub(super) fn get(self, index: u32) -> Option<&'static AtomicI32> {
        let at = self.start + 4 * u64::from(index);
        // SAFETY: the words are in the writable data of a block, which the caller has found in the
        // ledger under its lock, and so can't be freed meanwhile. Code and engine access them as
        // aligned words only.
        (index < self.count).then(|| unsafe { &*(at.get() as *const AtomicI32) })
    }
}
