//! Finds what `-l` names, as a linker does.

use std::fs::{self, File};
use std::io::Read;
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
    for file in find(name, paths)? {
        engine.load_library(&file.to_string_lossy())?;
    }
    Ok(())
}

/// Returns the archive that `-l NAME` means, if it means one: the first folder that has a library
/// of this name has no shared one.
pub(crate) fn archive(name: &str, paths: &[PathBuf]) -> Option<PathBuf> {
    for folder in folders(paths) {
        if let Some(file) = name.strip_prefix(':') {
            let file = folder.join(file);
            if file.is_file() {
                return Some(file).filter(|file| is_archive(file));
            }
            continue;
        }
        if folder.join(format!("lib{name}.so")).is_file() {
            return None;
        }
        let archive = folder.join(format!("lib{name}.a"));
        if is_archive(&archive) {
            return Some(archive);
        }
        if find_in(&folder, name).is_some() {
            return None;
        }
    }
    None
}

/// Whether a file is an archive, regular or thin (ar(5)). What comes from a pipe can be read once,
/// so it isn't looked at.
pub(crate) fn is_archive(path: &Path) -> bool {
    if !path.is_file() {
        return false;
    }
    let mut start = [0; 8];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && (start == *b"!<arch>\n" || start == *b"!<thin>\n")
}

/// Where libraries may be, in order.
pub(crate) fn folders(paths: &[PathBuf]) -> Vec<PathBuf> {
    let system = SYSTEM.iter().map(PathBuf::from);
    paths.iter().cloned().chain(system).collect()
}

/// The shared objects that libNAME.so stands for.
pub(crate) fn find(name: &str, paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let not_found = || Error::Library {
        name: format!("-l{name}"),
        reason: match name.strip_prefix(':') {
            Some(file) => format!("there is no {file} in the library path"),
            None => format!("there is no lib{name}.so and no lib{name}.a in the library path"),
        },
    };
    let directories = folders(paths);
    let mut found = directories.iter().map(|directory| find_in(directory, name));
    found.find_map(|files| files).ok_or_else(not_found)
}

/// The shared objects that a directory has for a name.
fn find_in(directory: &Path, name: &str) -> Option<Vec<PathBuf>> {
    if let Some(file) = name.strip_prefix(':') {
        let file = directory.join(file);
        return file.is_file().then(|| vec![absolute(file)]);
    }
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
