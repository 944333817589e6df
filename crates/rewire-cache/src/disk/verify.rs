//! Checking all that is kept.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::loaded::Loaded;
use super::state::{Disk, lock};
use crate::entry::{Body, Damage, Entry};
use crate::image::unpack;
use crate::index::{Index, Location};
use crate::key::{Key, Kind};
use crate::trouble::Trouble;

/// A file that isn't as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedFile {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub damage: Damage,
}

/// What [`Disk::verify`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// Files that are whole.
    pub sound_files: u64,
    /// Functions in these.
    pub sound_functions: u64,
    /// Files that aren't.
    pub damaged: Vec<DamagedFile>,
    /// Whether the index was damaged.
    pub index_damaged: bool,
    /// Entries that the index doesn't tell of: whoever kept them was killed before that.
    pub unindexed: u64,
    /// Why some files couldn't be looked at.
    pub unreadable: Vec<Trouble>,
}

impl Verification {
    /// Whether nothing was found wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.damaged.is_empty() && !self.index_damaged && self.unreadable.is_empty()
    }
}

impl Disk {
    /// Reads and checks every entry, and the index. With `repair`, damaged files are removed, the
    /// index is made anew if it is damaged, and what killed processes have left is removed.
    ///
    /// # Errors
    ///
    /// The folder isn't used, another process is writing, or something can't be removed.
    pub fn verify(&self, repair: bool) -> Result<Verification, Trouble> {
        self.usable()?;
        *lock(&self.loaded) = Loaded::default();
        let mut verification = Verification::default();
        let mut sound = Vec::new();
        for file in self.folder.files() {
            let found = match self.whole_file(&file.name) {
                Ok(Some(bytes)) => check_file(&file.name, &bytes),
                Ok(None) => continue,
                Err(trouble) => {
                    verification.unreadable.push(trouble);
                    continue;
                }
            };
            match found {
                Ok(locations) => {
                    verification.sound_files += 1;
                    verification.sound_functions += locations.len() as u64;
                    sound.extend(locations);
                }
                Err(damage) => {
                    if repair {
                        let removed = fs::remove_file(&file.path);
                        removed.map_err(|e| Trouble::system("remove", &file.path, &e))?;
                    }
                    verification.damaged.push(DamagedFile {
                        path: file.path,
                        damage,
                    });
                }
            }
        }
        if self.folder.inside("index").is_dir() {
            self.check_index(&sound, repair, &mut verification)?;
        }
        if repair {
            self.folder.remove_abandoned(Duration::ZERO);
        }
        Ok(verification)
    }

    fn check_index(
        &self,
        sound: &[(Key, Location)],
        repair: bool,
        verification: &mut Verification,
    ) -> Result<(), Trouble> {
        let index_lock = Index::lock(&self.folder)?;
        self.index.forget_pages();
        verification.index_damaged = !self.index.check(&self.folder, &index_lock)?;
        let mut places: HashMap<Key, Vec<Location>> = HashMap::new();
        for (key, location) in sound {
            places.entry(*key).or_default().push(*location);
        }
        for (key, places) in places {
            let is_found = match self.locate(&key)? {
                Some(location) => places.contains(&location),
                None => false,
            };
            verification.unindexed += u64::from(!is_found);
        }
        if repair && (verification.index_damaged || verification.unindexed > 0) {
            self.rebuild(&index_lock)?;
        }
        Ok(())
    }
}

/// Checks a file, and returns the entries that the index should tell of.
fn check_file(name: &Key, bytes: &Body) -> Result<Vec<(Key, Location)>, Damage> {
    if matches!(name.kind(), Kind::Profile | Kind::ModuleIndex) {
        Entry::open(name, bytes.clone())?.check_parts()?;
        return Ok(Vec::new());
    }
    let mut locations = Vec::new();
    for (key, range) in unpack(name, bytes)? {
        let sealed = bytes.part(range.clone()).ok_or(Damage::Length)?;
        Entry::open(&key, sealed)?.check_parts()?;
        if key != *name {
            let (offset, length) = (range.start as u64, range.len() as u64);
            locations.push((
                key,
                Location {
                    file: *name,
                    offset,
                    length,
                },
            ));
        }
    }
    Ok(locations)
}
