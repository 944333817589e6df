//! Finds what `-l` names, as a linker does.

use std::fs;
use std::path::{Path, PathBuf};

use rewire::{Engine, Error};

/// Where Debian's libraries are.
const SYSTEM: [&str; 4] = [
    "/usr/local/lib",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/x86_64-linux-gnu",
    "/usr/lib",
];

/// Loads libNAME.so.
pub(crate) fn load(engine: &Engine, name: &str, paths: &[PathBuf]) -> Result<(), Error> {
    let not_found = || Error::Library {
        name: format!("-l{name}"),
        reason: format!("there is no lib{name}.so in the library path"),
    };
    let system = SYSTEM.iter().map(PathBuf::from);
    let mut directories = paths.iter().cloned().chain(system);
    let files = directories
        .find_map(|directory| find(&directory, name))
        .ok_or_else(not_found)?;
    for file in files {
        engine.load_library(&file.to_string_lossy())?;
    }
    Ok(())
}

/// The shared objects that a directory has for a name.
fn find(directory: &Path, name: &str) -> Option<Vec<PathBuf>> {
    let plain = directory.join(format!("lib{name}.so"));
    if let Ok(bytes) = fs::read(&plain) {
        if bytes.starts_with(b"\x7fELF") {
            return Some(vec![absolute(plain)]);
        }
        let files = of_script(&String::from_utf8_lossy(&bytes));
        return (!files.is_empty()).then_some(files);
    }
    // Without the development package there is only lib NAME .so. VERSION.
    let prefix = format!("lib{name}.so.");
    let entries = fs::read_dir(directory).ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let newest = names
        .filter(|file| file.starts_with(&prefix))
        .min_by(|one, other| one.len().cmp(&other.len()).then(other.cmp(one)))?;
    Some(vec![absolute(directory.join(newest))])
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// The shared objects that a linker script names (GNU ld manual, "Implicit Linker Scripts"):
/// such is glibc's libm.so.
fn of_script(script: &str) -> Vec<PathBuf> {
    let words = script.split([' ', '\t', '\n', '(', ')', ',']);
    words
        .filter(|word| word.starts_with('/') && word.contains(".so"))
        .map(PathBuf::from)
        .collect()
}
