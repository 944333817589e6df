//! Names by what their sources had.

use std::collections::HashMap;
use std::sync::Arc;

use rewire_sync::Mutex;

use super::Ledger;
use crate::base::demangle::demangle;
use crate::base::ids::LibraryId;
use crate::base::sync::lock;

/// The names of libraries by their demangled form, made when it is first asked for, and anew when
/// there are other names.
#[derive(Debug, Default)]
pub(crate) struct Demangled {
    libraries: Mutex<HashMap<LibraryId, LibraryNames>>,
}

#[derive(Debug, Default)]
struct LibraryNames {
    /// The version of the ledger's names that it was made of.
    version: Option<u64>,
    names: HashMap<String, Vec<Arc<str>>>,
}

impl Demangled {
    /// A library was removed.
    pub(crate) fn forget(&self, library: LibraryId) {
        lock(&self.libraries).remove(&library);
    }

    /// The names that read so.
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
