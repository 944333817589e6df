//! The libraries of an engine, and what each knows.

use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::base::ids::{EntryId, LibraryId, UnitKey};

/// The libraries there are. They come and go: nothing is left of one that was removed.
#[derive(Debug)]
pub(super) struct Libraries {
    pub(super) all: FxHashMap<LibraryId, Namespace>,
    pub(super) by_name: HashMap<Arc<str>, LibraryId, FxBuildHasher>,
    pub(super) next: u32,
    /// What a library that was removed reads as.
    pub(super) gone: Namespace,
}

impl Libraries {
    /// The main library.
    pub(super) fn new() -> Self {
        let mut libraries = Self {
            all: FxHashMap::default(),
            by_name: HashMap::default(),
            next: 0,
            gone: Namespace::new("".into()),
        };
        libraries.add("main".into());
        libraries
    }

    pub(super) fn add(&mut self, name: Arc<str>) -> LibraryId {
        let id = LibraryId(self.next);
        self.next += 1;
        self.by_name.insert(name.clone(), id);
        self.all.insert(id, Namespace::new(name));
        id
    }
}

/// One library.
#[derive(Debug)]
pub(super) struct Namespace {
    pub(super) name: Arc<str>,
    pub(super) entries: HashMap<Arc<str>, EntryId, FxBuildHasher>,
    /// The unit whose COMDAT group of a name is the one that counts.
    pub(super) comdats: HashMap<Arc<str>, UnitKey, FxBuildHasher>,
    /// Where names that it doesn't define are searched for.
    pub(super) search: Vec<LibraryId>,
    /// The libraries that search this one.
    pub(super) searched_by: Vec<LibraryId>,
    /// Whether the host process is asked after those.
    pub(super) asks_host: bool,
}

impl Namespace {
    /// The entry of a name.
    pub(super) fn entry(&self, name: &str) -> Option<EntryId> {
        self.entries.get(name).copied()
    }

    pub(super) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            entries: HashMap::default(),
            comdats: HashMap::default(),
            search: Vec::new(),
            searched_by: Vec::new(),
            asks_host: true,
        }
    }
}
