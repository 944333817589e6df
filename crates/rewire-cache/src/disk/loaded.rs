//! Files with functions that were read as a whole.

use std::collections::HashMap;
use std::ops::Range;

use crate::entry::Body;
use crate::key::Key;

/// What is held is let go when it is more than this.
const MOST_BYTES: usize = 32 << 20;

/// Functions of files that were read as a whole, and whose checksums were right.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    entries: HashMap<Key, Body>,
    bytes: usize,
}

impl Loaded {
    pub(super) fn get(&self, key: &Key) -> Option<Body> {
        self.entries.get(key).cloned()
    }

    /// Takes in a file. Entries hold its bytes until the last of them is gone.
    pub(super) fn add(&mut self, bytes: &Body, rows: Vec<(Key, Range<usize>)>) {
        if self.bytes + bytes.len() > MOST_BYTES {
            *self = Self::default();
        }
        self.bytes += bytes.len();
        let entry = |(key, range)| Some((key, bytes.part(range)?));
        self.entries.extend(rows.into_iter().filter_map(entry));
    }
}
