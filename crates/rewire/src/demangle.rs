//! Names as their source had them.

use std::collections::HashMap;
use std::sync::Arc;

use rewire_sync::Mutex;

use crate::ledger::{Ledger, LibraryId};
use crate::sync::lock;

/// The name that a source had for what a compiler calls `name`: of C++ by the Itanium ABI (chapter
/// 5.1), of Rust by both of its schemes; any other name as it is. Hashes that Rust appends are
/// left out.
///
/// ```
/// assert_eq!(rewire::demangle("_ZN5shape4areaEd"), "shape::area(double)");
/// assert_eq!(rewire::demangle("_RNvC5shape4area"), "shape::area");
/// assert_eq!(rewire::demangle("main"), "main");
/// ```
#[must_use]
pub fn demangle(name: &str) -> String {
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        return format!("{rust:#}");
    }
    let is_cpp = name.starts_with("_Z");
    let parsed = is_cpp.then(|| cpp_demangle::Symbol::new(name).ok());
    let text = parsed.flatten().and_then(|symbol| symbol.demangle().ok());
    text.unwrap_or_else(|| name.to_owned())
}

/// The names of libraries by their demangled form, made when it is first asked for, and anew when
/// there are other names.
#[derive(Debug, Default)]
pub(crate) struct Demangled {
    libraries: Mutex<HashMap<LibraryId, Known>>,
}

#[derive(Debug, Default)]
struct Known {
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
