//! What a store on disk is, and how it is read.

use std::fs::{self, File, FileTimes, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::entry::Body;
use crate::folder::Folder;
use crate::image::unpack;
use crate::index::{Index, IndexLock, Location, rows_of_file};
use crate::key::{Key, Kind};
use crate::trouble::Trouble;

use super::loaded::Loaded;
use super::tally::Tally;

/// Whoever doesn't say otherwise keeps so much.
const DEFAULT_LIMIT: u64 = 1 << 30;

/// A use is noted if the last one was noted so long ago. What is forgotten first need not be known
/// to the second.
const USE_NOTED_AFTER: Duration = Duration::from_secs(600);

/// Files with functions are read as a whole up to this size: who needs one function of a file soon
/// needs more of it.
const READ_WHOLE: u64 = 4 << 20;

/// How a [`Disk`] is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskOptions {
    /// How many bytes are kept. What was used longest ago is forgotten first.
    pub limit: u64,
}

impl Default for DiskOptions {
    fn default() -> Self {
        Self {
            limit: DEFAULT_LIMIT,
        }
    }
}

pub(super) const READ_AND_WRITE: u8 = 0;
pub(super) const READ_ONLY: u8 = 1;
pub(super) const OFF: u8 = 2;

/// Entries in a folder, which many processes may use at once.
///
/// No descriptor stays open between two calls, so the program that runs in this process finds the
/// descriptors that it expects, and may close all of them. Some are open while
/// [`put`](crate::Store::put) runs: call it on a thread whose descriptors the program doesn't share
/// (`unshare(CLONE_FILES)`), or when the program doesn't run.
///
/// After a `fork`, the child's `Disk` finds nothing and keeps nothing.
#[derive(Debug)]
pub struct Disk {
    pub(super) folder: Folder,
    pub(super) options: DiskOptions,
    pub(super) index: Index,
    pub(super) loaded: Mutex<Loaded>,
    pub(super) tally: Tally,
    /// The process that opened it. A child of `fork` may have been made while another thread held a
    /// lock.
    process: u32,
    standing: AtomicU8,
    trouble: Mutex<Option<Trouble>>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these guard is whole between any two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk {
    /// The store in `folder`. The folder is created when something is first kept.
    ///
    /// # Errors
    ///
    /// There is a folder, and other users could have put code into it; or something else is there.
    pub fn open(folder: &Path, options: DiskOptions) -> Result<Self, Trouble> {
        Ok(Self {
            folder: Folder::open(folder)?,
            options,
            index: Index::default(),
            loaded: Mutex::default(),
            tally: Tally::default(),
            process: process::id(),
            standing: AtomicU8::new(READ_AND_WRITE),
            trouble: Mutex::default(),
        })
    }

    /// Why nothing is found any more, or nothing is kept: the first thing that went wrong.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        if self.process != process::id() {
            return None;
        }
        lock(&self.trouble).clone()
    }

    /// The folder, as an absolute path.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.root()
    }

    /// The reason why the folder isn't used, if it isn't.
    pub(super) fn usable(&self) -> Result<(), Trouble> {
        match self.trouble() {
            Some(trouble) if !self.may(READ_ONLY) => Err(trouble),
            _ => Ok(()),
        }
    }

    pub(super) fn may(&self, standing: u8) -> bool {
        self.standing.load(Ordering::Relaxed) <= standing && self.process == process::id()
    }

    /// Stops writing, or all use.
    pub(super) fn withdraw(&self, to: u8, trouble: Trouble) {
        self.standing.fetch_max(to, Ordering::Relaxed);
        lock(&self.trouble).get_or_insert(trouble);
    }

    /// The value, if all went well. If not, the folder isn't used any more.
    pub(super) fn unless_trouble<T>(&self, found: Result<Option<T>, Trouble>) -> Option<T> {
        found.unwrap_or_else(|trouble| {
            self.withdraw(OFF, trouble);
            None
        })
    }

    /// The bytes of the file that is named for `key`.
    pub(super) fn whole_file(&self, key: &Key) -> Result<Option<Body>, Trouble> {
        let path = self.folder.file(key);
        let Some((file, metadata)) = self.folder.open_file(&path)? else {
            return Ok(None);
        };
        let bytes = read_range(&file, 0, metadata.size(), &metadata);
        note_use(&file, &metadata);
        bytes.map_err(|e| Trouble::system("read", &path, &e))
    }

    /// A function, which is found by the index.
    pub(super) fn function(&self, key: &Key) -> Result<Option<Body>, Trouble> {
        for _ in 0..2 {
            if let Some(sealed) = lock(&self.loaded).get(key) {
                return Ok(Some(sealed));
            }
            let Some(location) = self.locate(key)? else {
                return Ok(None);
            };
            if let Some(sealed) = self.read_at(key, location)? {
                return Ok(Some(sealed));
            }
            // The file is gone. The row may have been read long ago.
            self.index.forget_pages();
        }
        Ok(None)
    }

    pub(super) fn locate(&self, key: &Key) -> Result<Option<Location>, Trouble> {
        let row = self.index.find(&self.folder, &Location::row_key(key))?;
        Ok(row.and_then(|row| Location::read(&row)))
    }

    fn read_at(&self, key: &Key, location: Location) -> Result<Option<Body>, Trouble> {
        let path = self.folder.file(&location.file);
        let Some((file, metadata)) = self.folder.open_file(&path)? else {
            return Ok(None);
        };
        note_use(&file, &metadata);
        let read = |offset, length| {
            let bytes = read_range(&file, offset, length, &metadata);
            bytes.map_err(|e| Trouble::system("read", &path, &e))
        };
        if metadata.size() <= READ_WHOLE
            && let Some(bytes) = read(0, metadata.size())?
        {
            if let Ok(rows) = unpack(&location.file, &bytes) {
                let mut loaded = lock(&self.loaded);
                loaded.add(&bytes.checked(), rows);
                return Ok(loaded.get(key));
            }
            // The one entry may be whole. The others will be compiled, and kept elsewhere.
            self.remove_file(&path);
        }
        read(location.offset, location.length)
    }

    pub(super) fn remove_file(&self, path: &Path) {
        // What can't be removed is found damaged again.
        let _ = fs::remove_file(path);
        self.index.forget_pages();
    }

    /// Locks the index, and makes it anew if it is damaged.
    pub(super) fn lock_index(&self) -> Result<IndexLock, Trouble> {
        let index_lock = Index::lock(&self.folder)?;
        if !self.index.is_sound(&self.folder, &index_lock)? {
            self.rebuild(&index_lock)?;
        }
        Ok(index_lock)
    }

    /// Makes the index from the files, the oldest first: of two entries of one origin, the newer
    /// one is found.
    pub(super) fn rebuild(&self, index_lock: &IndexLock) -> Result<(), Trouble> {
        self.index.remove(&self.folder, index_lock)?;
        let mut files = self.folder.files();
        files.retain(|file| matches!(file.name.kind(), Kind::Function | Kind::Image));
        files.sort_by_key(|file| file.used);
        let mut rows = Vec::new();
        for file in files {
            if let Some(bytes) = self.whole_file(&file.name)? {
                rows.extend(rows_of_file(&file.name, &bytes).unwrap_or_default());
            }
        }
        self.index.write(&self.folder, index_lock, &rows, None)
    }
}

/// `None` if the file isn't that long.
fn read_range(
    file: &File,
    offset: u64,
    length: u64,
    metadata: &Metadata,
) -> std::io::Result<Option<Body>> {
    let within = offset
        .checked_add(length)
        .is_some_and(|end| end <= metadata.size());
    let Some(length) = usize::try_from(length).ok().filter(|_| within) else {
        return Ok(None);
    };
    // The file has no other reader; memory that was used before isn't cleared for it.
    let mut bytes = Vec::with_capacity(length);
    let mut file = file;
    file.seek(SeekFrom::Start(offset))?;
    file.take(length as u64).read_to_end(&mut bytes)?;
    // It may have been cut off meanwhile.
    Ok((bytes.len() == length).then(|| bytes.into()))
}

/// The time of a file's last use is its modification time: files are never written to.
fn note_use(file: &File, metadata: &Metadata) {
    let now = SystemTime::now();
    let noted = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    if now
        .duration_since(noted)
        .map_or(true, |age| age > USE_NOTED_AFTER)
    {
        // In a folder that can only be read, uses can't be noted, and nothing is forgotten.
        let _ = file.set_times(FileTimes::new().set_modified(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Entry;
    use crate::key::{PartKind, Recipe, Value};
    use crate::store::Store;

    #[test]
    fn in_another_process_nothing_is_found_or_kept() {
        let temporary = tempfile::tempdir().expect("a temporary folder");
        let open = || Disk::open(&temporary.path().join("cache"), DiskOptions::default());
        let recipe =
            |name| Recipe::new(Kind::Function).with(PartKind::Body, name, Value::Number(1));
        open()
            .expect("usable")
            .put(&[Entry::new(&recipe("f"), None, b"code")]);
        let mut disk = open().expect("usable");
        assert!(disk.get(&recipe("f").key()).is_some());
        disk.process += 1;
        assert!(disk.get(&recipe("f").key()).is_none());
        disk.put(&[Entry::new(&recipe("g"), None, b"code")]);
        assert!(open().expect("usable").get(&recipe("g").key()).is_none());
    }
}
