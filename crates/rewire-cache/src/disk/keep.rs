//! Writing entries, and the store as a whole.

use std::time::Duration;

use super::state::{Disk, READ_AND_WRITE, READ_ONLY, lock};
use crate::counts::CacheCounts;
use crate::entry::{Body, Entry};
use crate::image::{Image, pack};
use crate::index::{Location, rows_of_file};
use crate::key::{Key, Kind};
use crate::store::Store;
use crate::trouble::Trouble;

/// Temporary files that are so old are looked at, each time something is kept.
const ABANDONED_AFTER: Duration = Duration::from_secs(60);

impl Disk {
    /// Writes a file with entries, and tells the index of those that aren't found by its name.
    fn keep(&self, name: &Key, bytes: &Body) {
        if !self.may(READ_AND_WRITE) {
            return;
        }
        match self.try_keep(name, bytes) {
            Ok(()) => {}
            // Others were faster. What isn't kept now is kept when it is next compiled.
            Err(Trouble::Busy { .. }) => {}
            Err(trouble) => self.withdraw(READ_ONLY, trouble),
        }
    }

    fn try_keep(&self, name: &Key, bytes: &Body) -> Result<(), Trouble> {
        if bytes.len() as u64 > self.options.limit {
            return Ok(());
        }
        self.folder.create()?;
        self.folder.remove_abandoned(ABANDONED_AFTER);
        let rows = rows_of_file(name, bytes).unwrap_or_default();
        self.folder.write(&self.folder.file(name), bytes)?;
        let total = self.tally.add(&self.folder, bytes.len() as u64);
        if !rows.is_empty() {
            let index_lock = self.lock_index()?;
            self.index.write(&self.folder, &index_lock, &rows, None)?;
        }
        match total {
            Some(total) if total <= self.options.limit => Ok(()),
            _ => self.evict(),
        }
    }
}

impl Store for Disk {
    fn get(&self, key: &Key) -> Option<Body> {
        if !self.may(READ_ONLY) {
            return None;
        }
        self.unless_trouble(match key.kind() {
            Kind::Function => self.function(key),
            _ => self.whole_file(key),
        })
    }

    fn peek(&self, key: &Key) -> Option<Option<Body>> {
        if !self.may(READ_ONLY) {
            return Some(None);
        }
        if key.kind() != Kind::Function {
            return None;
        }
        if let Some(sealed) = lock(&self.loaded).get(key) {
            return Some(Some(sealed));
        }
        let is_absent = self.index.is_known_to_lack(&Location::row_key(key));
        is_absent.then_some(None)
    }

    fn put(&self, entries: &[Entry]) {
        let (functions, others): (Vec<_>, Vec<_>) = entries
            .iter()
            .cloned()
            .partition(|entry| entry.key().kind() == Kind::Function);
        if !functions.is_empty() {
            let mut hasher = blake3::Hasher::new();
            for entry in &functions {
                hasher.update(entry.key().hash());
            }
            let name = Key::from_hash(Kind::Function, hasher.finalize().into());
            self.keep(&name, &pack(&name, &functions));
        }
        for entry in others {
            self.keep(entry.key(), entry.sealed());
        }
    }

    fn put_image(&self, image: &Image) {
        self.keep(image.head().key(), image.sealed());
    }

    /// Adds the counts to the totals of all processes. Costs some microseconds.
    fn note_counts(&self, counts: CacheCounts) {
        if self.may(READ_AND_WRITE) {
            self.tally.note(&self.folder, counts);
        }
    }

    fn forget(&self, key: &Key) {
        if !self.may(READ_ONLY) {
            return;
        }
        // The file that a row names for a function was removed when it was read, if it is damaged;
        // if it isn't, the row is wrong, and is replaced when the function is kept again.
        if key.kind() != Kind::Function {
            self.remove_file(&self.folder.file(key));
        }
    }
}
