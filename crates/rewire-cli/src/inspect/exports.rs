//! The names that shared libraries have, read from their files: to load them would run their
//! constructors.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSymbol};
use rewire::{Error, escape_path};

use crate::libraries;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Exports {
    /// Where libraries look for the libraries that they need.
    folders: Vec<PathBuf>,
    read: HashSet<PathBuf>,
    /// The file name of the first library that has a name.
    names: HashMap<String, String>,
}

impl Exports {
    pub(crate) fn new(library_paths: &[PathBuf]) -> Self {
        Self {
            folders: libraries::folders(library_paths),
            read: HashSet::new(),
            names: HashMap::new(),
        }
    }

    /// Reads a library, and those that it needs as far as they are found. Those of the process
    /// itself are asked by the engine.
    pub(crate) fn read(&mut self, path: &Path) -> Result<(), Error> {
        let mut left = vec![path.to_owned()];
        while let Some(next) = left.pop() {
            if !self.read.insert(next.clone()) {
                continue;
            }
            match self.read_one(&next) {
                Ok(needed) => left.extend(needed),
                Err(reason) if next == path => {
                    return Err(Error::Library {
                        name: escape_path(path),
                        reason,
                    });
                }
                // The loader will say so; here, its names are simply not found.
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn read_one(&mut self, path: &Path) -> Result<Vec<PathBuf>, String> {
        let bytes = fs::read(path).map_err(|error| error.to_string())?;
        let file = ElfFile64::<Endianness>::parse(&*bytes).map_err(|error| error.to_string())?;
        if file.kind() != object::ObjectKind::Dynamic {
            return Err("it is no shared library".to_owned());
        }
        let label = path.file_name().unwrap_or(path.as_os_str());
        let label = label.to_string_lossy();
        for symbol in file.dynamic_symbols() {
            if symbol.is_undefined() || !symbol.is_global() {
                continue;
            }
            if let Ok(name) = symbol.name() {
                let names = self.names.entry(name.to_owned());
                names.or_insert_with(|| label.clone().into_owned());
            }
        }
        let libraries = file.import_libraries().map_err(|error| error.to_string())?;
        let needed = libraries.filter_map(|library| {
            let name = String::from_utf8_lossy(library.ok()?.name()).into_owned();
            let beside = path.parent().map(Path::to_owned);
            let mut folders = beside.iter().chain(&self.folders);
            folders.find_map(|folder| {
                let file = folder.join(&name);
                file.is_file().then_some(file)
            })
        });
        Ok(needed.collect())
    }

    /// The library that has a name.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.names.get(name).map(String::as_str)
    }
}
