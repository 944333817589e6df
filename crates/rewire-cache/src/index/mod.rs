//! The index: LMDB's file, written by LMDB, and read without it.
//!
//! Reading doesn't go through LMDB for three reasons. LMDB keeps two descriptors open for as long
//! as it is used, and the program that runs in this process may close any descriptor and open its
//! own file in its place, into which LMDB would then write. LMDB trusts its file: of 3,000 flipped
//! bits, two ended the process. And its file is mapped, so that a process that truncates it ends
//! others by SIGBUS. So [`Index::find`] reads the pages that lead to a key, checks each, and keeps
//! them; a file is open only while it does that.
//!
//! A reader takes part in no protocol with writers. A page that it has read may be used for
//! something else by now; then what it leads to isn't there, or is another entry, and both are
//! noticed, since each entry names its key.

mod check;
mod lmdb;
mod page;
mod rows;
mod snapshot;
mod stamp;
#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{self, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

pub(crate) use rows::{
    KeepRow, Location, Row, newest_row_key, read_location_row, read_newest, rows_of_file,
};
use snapshot::{Found, Snapshot, note_write};

use crate::folder::{Folder, check_file_size, file_size_limit, ignore_missing};
use crate::trouble::Trouble;

/// One environment is open at a time in a process: two of the same file are not allowed.
static WRITING: Mutex<()> = Mutex::new(());

/// How often, and after which pauses, the lock of another process is tried again.
const ATTEMPTS: u32 = 200;
const PAUSE: Duration = Duration::from_millis(1);

/// A file that is larger isn't what it should be: it would have rows for millions of functions.
const LARGEST: u64 = 1 << 30;

/// The index of a folder.
#[derive(Debug, Default)]
pub(crate) struct Index {
    snapshot: Mutex<Snapshot>,
}

/// The file that others have to wait for, which is locked for as long as it is open.
pub(crate) struct IndexLock {
    _file: File,
    _in_process: MutexGuard<'static, ()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these guard is replaced as a whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens the lock file, also in a folder that can only be read.
fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let opened = options
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path);
    opened.or_else(|e| match e.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => File::open(path),
        _ => Err(e),
    })
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(file), Ok(there)) => (file.dev(), file.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

impl Index {
    /// The value of a row, if there is one in the newest state of the file, or in the state that
    /// was read last.
    pub(crate) fn find(&self, folder: &Folder, key: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
        let mut snapshot = lock(&self.snapshot);
        match snapshot.find(key, None) {
            Found::Value(value) if snapshot.has_own_writes() => return Ok(Some(value)),
            Found::Absent if snapshot.is_fresh() => return Ok(None),
            _ => {}
        }
        let file = folder.open_file(&folder.index_file())?;
        snapshot.refresh(file.as_ref().map(|(file, metadata)| (file, metadata)));
        match snapshot.find(key, file.as_ref().map(|(file, _)| file)) {
            Found::Value(value) => Ok(Some(value)),
            Found::Absent | Found::Unread => Ok(None),
        }
    }

    /// Whether there is no such row in the state of the file that was read last. Opens nothing.
    pub(crate) fn is_known_to_lack(&self, key: &[u8]) -> bool {
        let mut snapshot = lock(&self.snapshot);
        snapshot.has_own_writes() && snapshot.find(key, None) == Found::Absent
    }

    /// What was read is read again when it is next needed.
    pub(crate) fn forget_pages(&self) {
        *lock(&self.snapshot) = Snapshot::default();
    }

    /// Waits until no other thread or process writes, but not for ever: one that was stopped
    /// mustn't stop others, and a child of `fork` has the lock of a thread that it doesn't have.
    pub(crate) fn lock(folder: &Folder) -> Result<IndexLock, Trouble> {
        let path = folder.inside("lock");
        for _ in 0..ATTEMPTS {
            let file = open_lock(&path).map_err(|e| Trouble::system("open", &path, &e))?;
            let locked = match WRITING.try_lock() {
                Ok(in_process) => Some(in_process),
                Err(sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
                Err(sync::TryLockError::WouldBlock) => None,
            };
            if let Some(in_process) = locked {
                match file.try_lock() {
                    // The folder may have been cleared meanwhile. Then others lock another file.
                    Ok(()) if is_at(&file, &path) => {
                        return Ok(IndexLock {
                            _file: file,
                            _in_process: in_process,
                        });
                    }
                    Ok(()) => continue,
                    Err(TryLockError::WouldBlock) => {}
                    Err(TryLockError::Error(e)) => return Err(Trouble::system("lock", &path, &e)),
                }
            }
            thread::sleep(PAUSE);
        }
        Err(Trouble::Busy { path })
    }

    /// Whether LMDB may open the file, or there is none.
    pub(crate) fn is_sound(&self, folder: &Folder, lock: &IndexLock) -> Result<bool, Trouble> {
        let Some((_, metadata)) = folder.open_file(&folder.index_file())? else {
            return Ok(true);
        };
        if stamp::is_set(folder, &metadata) {
            return Ok(true);
        }
        self.check(folder, lock)
    }

    /// As [`is_sound`](Self::is_sound), without trusting what was noted when it was last written.
    pub(crate) fn check(&self, folder: &Folder, _lock: &IndexLock) -> Result<bool, Trouble> {
        let path = folder.index_file();
        let Some((file, metadata)) = folder.open_file(&path)? else {
            return Ok(true);
        };
        if metadata.size() > LARGEST {
            return Ok(false);
        }
        let mut bytes = vec![0; usize::try_from(metadata.size()).unwrap_or_default()];
        let read = file.read_exact_at(&mut bytes, 0);
        read.map_err(|e| Trouble::system("read", &path, &e))?;
        Ok(check::is_sound(&bytes))
    }

    /// Removes the file, for it to be made anew.
    pub(crate) fn remove(&self, folder: &Folder, _lock: &IndexLock) -> Result<(), Trouble> {
        let path = folder.index_file();
        note_write();
        let removed = fs::remove_file(&path).or_else(ignore_missing);
        removed.map_err(|e| Trouble::system("remove", &path, &e))
    }

    /// Puts rows in, and removes those that `keep` doesn't want. The file is sound.
    pub(crate) fn write(
        &self,
        folder: &Folder,
        _lock: &IndexLock,
        puts: &[Row],
        keep: Option<&KeepRow<'_>>,
    ) -> Result<(), Trouble> {
        let path = folder.index_file();
        let size = fs::metadata(&path).map_or(0, |metadata| metadata.size());
        // A row takes less than 200 bytes, and LMDB writes changed pages to new places.
        let growth = puts.len() as u64 * 1024 + (1 << 20);
        let wanted = (size + growth) * 2;
        let allowed = wanted.min(file_size_limit().unwrap_or(u64::MAX));
        check_file_size(&path, size + (64 << 10))?;
        let map_size = usize::try_from(allowed >> 16 << 16).unwrap_or(usize::MAX);
        let written = lmdb::write(&folder.inside("index"), map_size, puts, keep);
        note_write();
        written.map_err(|e| match (e, file_size_limit()) {
            (heed::Error::Mdb(heed::MdbError::MapFull), Some(limit)) => Trouble::FileSize {
                path: path.clone(),
                limit,
            },
            (e, _) => Trouble::System {
                action: "write",
                path: path.clone(),
                cause: e.to_string(),
            },
        })?;
        // If this can't be noted, the file is checked as a whole before it is next written.
        let _ = stamp::set(folder);
        Ok(())
    }
}
