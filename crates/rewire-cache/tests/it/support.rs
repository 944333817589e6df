//! What several tests need: random data from a seed, entries, a cache in a fresh folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rewire_cache::{Cache, Disk, DiskOptions, Entry, Key, Kind, Origin, PartKind, Recipe, Value};
use tempfile::TempDir;

/// Random numbers from a seed (splitmix64), so that a failure can be repeated.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("less than a usize")
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

/// What a function of this name is made from.
pub(crate) fn recipe(name: &str) -> Recipe {
    Recipe::new(Kind::Function)
        .with(PartKind::Body, name, Value::Bytes(name.as_bytes()))
        .with(PartKind::ImportedBody, "helper", Value::Bytes(b"helper"))
        .with(PartKind::Option, "level", Value::Number(2))
        .with(PartKind::Version, "LLVM", Value::Text("22"))
}

pub(crate) fn key(name: &str) -> Key {
    recipe(name).key()
}

/// The one right body of a function of this name, which is told by its length and each byte.
pub(crate) fn body(name: &str) -> Vec<u8> {
    let mut random = Random(name.bytes().fold(7, |hash, b| hash * 31 + u64::from(b)));
    let length = 1 + random.below(2000);
    random.bytes(length)
}

pub(crate) fn entry(name: &str) -> Entry {
    Entry::new(&recipe(name), Some(&origin(name)), &body(name))
}

pub(crate) fn origin(name: &str) -> Origin {
    Origin::new("program.bc", name, "2")
}

pub(crate) fn names(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("function{number}")).collect()
}

pub(crate) fn entries(names: &[String]) -> Vec<Entry> {
    names.iter().map(|name| entry(name)).collect()
}

pub(crate) fn image_recipe(name: &str) -> Recipe {
    Recipe::new(Kind::Image).with(PartKind::Module, name, Value::Bytes(name.as_bytes()))
}

/// A folder for a cache; it isn't there yet.
pub(crate) fn fresh() -> (TempDir, PathBuf) {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let path = temporary.path().join("cache");
    (temporary, path)
}

pub(crate) fn disk(path: &Path) -> Arc<Disk> {
    Arc::new(Disk::open(path, DiskOptions::default()).expect("a usable folder"))
}

/// The cache as another process would see it: nothing was read before.
pub(crate) fn cache(path: &Path) -> Cache {
    Cache::new(disk(path))
}

/// All files below a folder, in a fixed order.
pub(crate) fn files(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![path.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                left.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The files with entries.
pub(crate) fn entry_files(path: &Path) -> Vec<PathBuf> {
    if path.join("v1/files").exists() {
        files(&path.join("v1/files"))
    } else {
        Vec::new()
    }
}
