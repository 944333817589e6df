//! The cache as the engine sees it: entries in and out of any store, checked and counted.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::counts::CacheCounts;
use crate::entry::Entry;
use crate::image::Image;
use crate::key::{Key, Kind};
use crate::store::Store;

/// Entries in and out of a [`Store`], each checked as it comes back.
///
/// Nothing here fails. Whatever goes wrong is a miss.
pub struct Cache {
    store: Arc<dyn Store>,
    hits: AtomicU64,
    misses: AtomicU64,
    damaged: AtomicU64,
}

impl Cache {
    /// A cache that keeps its entries in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            hits: 0.into(),
            misses: 0.into(),
            damaged: 0.into(),
        }
    }

    /// The entry of this key: a function's code, a profile, a module's index, an image's head.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Entry> {
        if key.kind() == Kind::Image {
            return self.image(key).map(|image| image.head().clone());
        }
        let found = self.store.get(key).map(|bytes| Entry::open(key, bytes));
        self.count(key, found)
    }

    /// As [`get`](Self::get), as far as the store knows without opening a file ([`Store::peek`]):
    /// `None` if it doesn't know, which isn't counted.
    #[must_use]
    pub fn peek(&self, key: &Key) -> Option<Option<Entry>> {
        let found = self.store.peek(key)?;
        Some(self.count(key, found.map(|bytes| Entry::open(key, bytes))))
    }

    /// The image of this key, which is that of its head.
    #[must_use]
    pub fn image(&self, key: &Key) -> Option<Image> {
        if key.kind() != Kind::Image {
            return None;
        }
        let found = self.store.get(key).map(|bytes| Image::open(key, bytes));
        self.count(key, found)
    }

    fn count<T, E>(&self, key: &Key, found: Option<Result<T, E>>) -> Option<T> {
        let (counter, value) = match found {
            Some(Ok(value)) => (&self.hits, Some(value)),
            None => (&self.misses, None),
            Some(Err(_)) => {
                self.store.forget(key);
                self.damaged.fetch_add(1, Ordering::Relaxed);
                (&self.misses, None)
            }
        };
        if key.kind() == Kind::Function {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        value
    }

    /// Counts functions that were found in an image.
    pub fn note_found(&self, functions: u64) {
        self.hits.fetch_add(functions, Ordering::Relaxed);
    }

    /// Keeps entries. Many at once cost little more than one.
    pub fn put(&self, entries: &[Entry]) {
        let is_image = |entry: &&Entry| entry.key().kind() == Kind::Image;
        for head in entries.iter().filter(is_image) {
            self.put_image(&Image::new(head.clone(), &[]));
        }
        let rest: Vec<Entry> = entries.iter().filter(|e| !is_image(e)).cloned().collect();
        if !rest.is_empty() {
            self.store.put(&rest);
        }
    }

    /// Keeps an image, and each entry in it.
    pub fn put_image(&self, image: &Image) {
        self.store.put_image(image);
    }

    /// Tells the store what was counted ([`Store::note_counts`]).
    pub fn note_counts(&self) {
        self.store.note_counts(self.counts());
    }

    /// How many functions were looked for and found, those in images included.
    #[must_use]
    pub fn counts(&self) -> CacheCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheCounts {
            hits: read(&self.hits),
            misses: read(&self.misses),
            damaged: read(&self.damaged),
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
