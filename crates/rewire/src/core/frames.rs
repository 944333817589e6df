//! [`Frames`]: the frames of quick bodies that have hot loops.

use std::collections::HashMap;
use std::sync::Arc;

use rewire_llvm::{FrameLayout, Ordinal};
use rewire_sync::Mutex;
use rustc_hash::FxBuildHasher;

use crate::base::frame_text::FrameText;
use crate::base::ids::UnitKey;
use crate::base::sync::lock;

/// A function, and the code of the bodies of it that are meant.
type Key = (UnitKey, Ordinal, FrameText);

/// The frames that were found out last. Compiling a function once more finds one again.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    known: Mutex<HashMap<Key, Arc<FrameLayout>, FxBuildHasher>>,
}

/// Few functions have loops that run long.
const MOST_KNOWN: usize = 64;

impl Frames {
    pub(crate) fn get(&self, key: Key) -> Option<Arc<FrameLayout>> {
        lock(&self.known).get(&key).cloned()
    }

    pub(crate) fn add(&self, key: Key, layout: Arc<FrameLayout>) {
        let mut known = lock(&self.known);
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(key, layout);
    }
}
