//! What of a module was verified.

use std::sync::atomic::AtomicU64;

/// Which bodies of a module passed LLVM's verifier, in whichever of its copies; the copies share
/// this, so that a body is verified once.
///
/// A bit only says something of immutable bytes, so no order goes with it.
#[derive(Debug)]
pub(crate) struct Verification {
    /// A bit for each global, and one after them for all else of the module.
    words: Box<[AtomicU64]>,
}

impl Verification {
    /// Of a module with so many globals; with `is_done`, all of it was verified before.
    pub(crate) fn new(globals: usize, is_done: bool) -> Self {
        let word = || AtomicU64::new(if is_done { u64::MAX } else { 0 });
        let count = globals / 64 + 1;
        Self {
            words: std::iter::repeat_with(word).take(count).collect(),
        }
    }

    pub(crate) fn words(&self) -> *const AtomicU64 {
        self.words.as_ptr()
    }
}
