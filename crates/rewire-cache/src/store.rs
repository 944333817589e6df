//! Where entries are kept: a trait for a client's own store, and one in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::counts::CacheCounts;
use crate::entry::{Body, Entry};
use crate::image::Image;
use crate::key::Key;

/// Keeps bytes by key.
///
/// A store need not be reliable: [`Cache`](crate::Cache) checks what it returns, and takes damaged
/// bytes, or those of another key, for a miss. It may forget whatever it likes, and a failure of
/// its own is a miss, too.
pub trait Store: Send + Sync {
    /// The bytes that were put under this key.
    fn get(&self, key: &Key) -> Option<Body>;

    /// What is known of this key without opening a file or waiting for anybody: the bytes, or that
    /// there are none. `None` if that isn't known, and [`get`](Self::get) has to find out. A store
    /// that has all of its entries in memory need not implement this.
    fn peek(&self, key: &Key) -> Option<Option<Body>> {
        Some(self.get(key))
    }

    /// Keeps entries of all kinds but images, each under its own key: [`Entry::sealed`] are the
    /// bytes to return.
    fn put(&self, entries: &[Entry]);

    /// Keeps an image under the key of its head: [`Image::sealed`] are the bytes to return. Its
    /// other entries are to be found by their own keys, too.
    fn put_image(&self, image: &Image);

    /// What a [`Cache`](crate::Cache) over this store has counted so far, for statistics; it may be
    /// told more than once. Does nothing unless it is implemented.
    fn note_counts(&self, counts: CacheCounts) {
        let _ = counts;
    }

    /// What was returned for this key is damaged. It should not be returned again.
    fn forget(&self, key: &Key);
}

/// A store in memory, for tests and for programs that compile the same code repeatedly.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<HashMap<Key, Body>>);

impl MemoryStore {
    fn with<R>(&self, act: impl FnOnce(&mut HashMap<Key, Body>) -> R) -> R {
        // A panic leaves a map that is whole.
        act(&mut self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Store for MemoryStore {
    fn get(&self, key: &Key) -> Option<Body> {
        self.with(|map| map.get(key).cloned())
    }

    fn put(&self, entries: &[Entry]) {
        self.with(|map| map.extend(entries.iter().map(|e| (*e.key(), e.sealed().clone()))));
    }

    fn put_image(&self, image: &Image) {
        self.with(|map| {
            map.extend(
                image
                    .entries()
                    .map(|entry| (*entry.key(), entry.sealed().clone())),
            );
            map.insert(*image.head().key(), image.sealed().clone());
        });
    }

    fn forget(&self, key: &Key) {
        self.with(|map| map.remove(key));
    }
}
