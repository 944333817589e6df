//! The namespaces of an engine's libraries.

use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::{FxBuildHasher, FxHashMap};

use super::inline_source::InlineSource;
use crate::base::ids::{EntryId, LibraryId, UnitKey};

/// All libraries. Nothing is kept of a removed one.
#[derive(Debug)]
pub(super) struct Libraries {
    pub(super) all: FxHashMap<LibraryId, Namespace>,
    pub(super) by_name: HashMap<Arc<str>, LibraryId, FxBuildHasher>,
    pub(super) next: u32,
    /// Stands in for libraries that were removed.
    pub(super) gone: Namespace,
}

impl Libraries {
    /// Creates the list with the main library.
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

/// The namespace of one library.
#[derive(Debug)]
pub(super) struct Namespace {
    pub(super) name: Arc<str>,
    pub(super) entries: HashMap<Arc<str>, EntryId, FxBuildHasher>,
    /// For each COMDAT group, the unit whose group counts.
    pub(super) comdats: HashMap<Arc<str>, UnitKey, FxBuildHasher>,
    /// The search order: the libraries in which names that it doesn't define are looked up.
    pub(super) search: Vec<LibraryId>,
    /// The libraries that search this one.
    pub(super) searched_by: Vec<LibraryId>,
    /// Whether names are looked up in the host process after those.
    pub(super) asks_host: bool,
    /// IR that describes what nothing here defines.
    pub(super) inline_sources: Vec<Arc<InlineSource>>,
}

impl Namespace {
    /// Returns the entry of a name.
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
            inline_sources: Vec::new(),
        }
    }
}
