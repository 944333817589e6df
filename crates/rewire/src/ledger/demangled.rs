//! Finds names by their demangled form.

use std::collections::HashMap;
use std::sync::Arc;

use rewire_sync::Mutex;

use super::Ledger;
use crate::base::demangle::demangle;
use crate::base::ids::LibraryId;
use crate::base::sync::lock;

/// An index of each library's names by demangled form, built when it is first needed, and rebuilt
/// when the names have changed.
#[derive(Debug, Default)]
pub(crate) struct Demangled {
    libraries: Mutex<HashMap<LibraryId, LibraryNames>>,
}

#[derive(Debug, Default)]
struct LibraryNames {
    /// The version of the ledger's names that the index was built from.
    version: Option<u64>,
    names: HashMap<String, Vec<Arc<str>>>,
}

impl Demangled {
    /// Drops the index of a library that was removed.
    pub(crate) fn forget(&self, library: LibraryId) {
        lock(&self.libraries).remove(&library);
    }

    /// Returns the symbol names whose demangled form is `name`.
    pub(crate) fn find(&self, ledger: &Ledger, library: LibraryId, name: &str) -> Vec<Arc<str>> {
        let mut libraries = lock(&self.libraries);
        let known = libraries.entry(library).or_default();
        let version = Some(ledger.names_version);
        if known.version != version {
            known.names.clear();
            for (mangled, _) in ledger.names(library) {
                let names = known.names.entry(demangle(mangled)).or_default();
                names.push(mangled.clone());
            }
            known.version = version;
        }
        known.names.get(name).cloned().unwrap_or_default()
    }
}
