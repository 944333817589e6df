//! The folder: where it is, whose it is, and how files in it are read and written.

use std::env;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{self, Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::process::{Resource, geteuid, getrlimit};

use crate::key::{Key, Kind};
use crate::trouble::Trouble;

/// What this version of the format keeps is below this folder; other versions have others.
const VERSION: &str = "v1";
/// Backup programs leave out folders with this file.
const TAG: &str = "CACHEDIR.TAG";
const TAG_TEXT: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
    # This folder holds compiled code that Rewire can make again.\n";

/// How often a file is begun that others take away.
const ATTEMPTS: u32 = 3;

/// The folder that users expect: `REWIRE_CACHE`, else `rewire` in `XDG_CACHE_HOME`, else in
/// `~/.cache`. `None` if none of these variables is set.
#[must_use]
pub fn default_folder() -> Option<PathBuf> {
    folder_from(|name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    })
}

fn folder_from(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    // The XDG specification says that relative paths are to be ignored.
    let xdg = || variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let home = || variable("HOME").map(|home| home.join(".cache"));
    variable("REWIRE_CACHE").or_else(|| Some(xdg().or_else(home)?.join("rewire")))
}

/// A folder that was found to be the user's own.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Checks a folder, if it is there. It is created when something is first written.
    pub(crate) fn open(root: &Path) -> Result<Self, Trouble> {
        // The program that runs may change the current folder.
        let root = path::absolute(root).map_err(|e| Trouble::system("find", root, &e))?;
        check_root(&root)?;
        Ok(Self { root })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn inside(&self, name: &str) -> PathBuf {
        self.root.join(VERSION).join(name)
    }

    /// The file of the index.
    pub(crate) fn index_file(&self) -> PathBuf {
        self.inside("index/data.mdb")
    }

    /// The file of an image, a profile or a module's index, or one with functions.
    pub(crate) fn file(&self, name: &Key) -> PathBuf {
        let hex = name.hex();
        let extension = match name.kind() {
            Kind::Function => "code",
            Kind::Image => "image",
            Kind::Profile => "profile",
            Kind::ModuleIndex => "module",
        };
        self.inside("files")
            .join(&hex[..2])
            .join(format!("{}.{extension}", &hex[2..]))
    }

    /// Makes what is missing of the folder.
    pub(crate) fn create(&self) -> Result<(), Trouble> {
        let make = |path: &Path, mode| {
            let made = DirBuilder::new().recursive(true).mode(mode).create(path);
            made.map_err(|e| Trouble::system("create", path, &e))
        };
        if let Some(parent) = self.root.parent() {
            make(parent, 0o777)?;
        }
        let is_new = !self.root.exists();
        make(&self.root, 0o700)?;
        check_root(&self.root)?;
        for name in ["files", "temporary", "index"] {
            make(&self.inside(name), 0o700)?;
        }
        if is_new {
            self.write(&self.root.join(TAG), TAG_TEXT.as_bytes())?;
        }
        Ok(())
    }

    /// Opens a file to read it. `None` if there is none.
    pub(crate) fn open_file(&self, path: &Path) -> Result<Option<(File, Metadata)>, Trouble> {
        // A link is not followed, and nobody is waited for at the other end of a pipe.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Trouble::system("open", path, &e)),
        };
        let metadata = file
            .metadata()
            .map_err(|e| Trouble::system("look at", path, &e))?;
        check_owner(path, &metadata)?;
        if !metadata.is_file() {
            return Ok(None);
        }
        Ok(Some((file, metadata)))
    }

    /// Writes a file in one step: whoever reads it sees all of it or nothing.
    pub(crate) fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Trouble> {
        check_file_size(path, bytes.len() as u64)?;
        for _ in 0..ATTEMPTS {
            let temporary = self.inside("temporary").join(temporary_name());
            let written = write_and_rename(&temporary, path, bytes);
            if !matches!(written, Ok(true)) {
                // What can't be removed now is removed by `remove_abandoned`.
                let _ = fs::remove_file(&temporary);
            }
            if written.map_err(|e| Trouble::system("write", path, &e))? {
                return Ok(());
            }
        }
        Err(Trouble::Busy {
            path: path.to_owned(),
        })
    }

    /// Removes what processes that were killed have left, if it is older than `age`.
    pub(crate) fn remove_abandoned(&self, age: Duration) {
        for path in list(&self.inside("temporary")) {
            let modified = fs::symlink_metadata(&path).and_then(|metadata| metadata.modified());
            let is_old = modified.is_ok_and(|time| time.elapsed().is_ok_and(|past| past >= age));
            // Whoever writes such a file holds its lock.
            if is_old && File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
                let _ = fs::remove_file(&path);
            }
        }
    }

    /// All files with entries, by name, with what is known of each.
    pub(crate) fn files(&self) -> Vec<StoredFile> {
        let shards = list(&self.inside("files"));
        let paths = shards.iter().flat_map(|shard| list(shard));
        paths.filter_map(StoredFile::new).collect()
    }

    /// Removes all that this or another version has put into the folder.
    pub(crate) fn clear(&self) -> Result<(), Trouble> {
        for path in list(&self.root) {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let is_version = name
                .strip_prefix('v')
                .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()));
            let removed = if is_version {
                fs::remove_dir_all(&path)
            } else if name == TAG {
                fs::remove_file(&path)
            } else {
                continue;
            };
            removed
                .or_else(ignore_missing)
                .map_err(|e| Trouble::system("remove", &path, &e))?;
        }
        Ok(())
    }
}

/// A file with entries.
#[derive(Debug)]
pub(crate) struct StoredFile {
    pub(crate) name: Key,
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    /// When it was last used, in nanoseconds since 1970.
    pub(crate) used: i128,
}

impl StoredFile {
    fn new(path: PathBuf) -> Option<Self> {
        let metadata = fs::symlink_metadata(&path).ok().filter(Metadata::is_file)?;
        let shard = path.parent()?.file_name()?.to_str()?;
        let hex = format!("{shard}{}", path.file_stem()?.to_str()?);
        let kind = match path.extension()?.to_str()? {
            "code" => Kind::Function,
            "image" => Kind::Image,
            "profile" => Kind::Profile,
            "module" => Kind::ModuleIndex,
            _ => return None,
        };
        Some(Self {
            name: Key::from_hash(kind, *blake3::Hash::from_hex(hex).ok()?.as_bytes()),
            size: metadata.size(),
            used: i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()),
            path,
        })
    }
}

/// What is in a folder; nothing, if it can't be read.
fn list(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten();
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect()
}

pub(crate) fn ignore_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == ErrorKind::NotFound {
        Ok(())
    } else {
        Err(error)
    }
}

/// No two processes use one name, not even on two machines or with one number each.
fn temporary_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let time = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    format!("{}-{number}-{}", process::id(), time.as_nanos())
}

/// Whether that was possible. If not, another process has just taken the temporary file for one
/// that was abandoned: its lock, which says that its writer lives, can't be taken while it is made.
fn write_and_rename(temporary: &Path, path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(temporary)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(false),
        Err(TryLockError::Error(e)) => return Err(e),
    }
    file.write_all(bytes)?;
    // To exchange the two files takes microseconds. To rename one over the other takes ext4 2 ms,
    // for it writes the new one to the disk first, which none of ours needs.
    if renameat_with(CWD, temporary, CWD, path, RenameFlags::EXCHANGE).is_ok() {
        return fs::remove_file(temporary).map(|()| true);
    }
    let renamed = fs::rename(temporary, path).or_else(|e| {
        // The first file of its kind needs a folder.
        let parent = path
            .parent()
            .filter(|_| e.kind() == ErrorKind::NotFound)
            .ok_or(e)?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)?;
        fs::rename(temporary, path)
    });
    match renamed {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        renamed => renamed.map(|()| true),
    }
}

/// Whether the process may make a file of this size. If not, to try would raise SIGXFSZ.
pub(crate) fn check_file_size(path: &Path, size: u64) -> Result<(), Trouble> {
    match file_size_limit() {
        Some(limit) if size > limit => Err(Trouble::FileSize {
            path: path.to_owned(),
            limit,
        }),
        _ => Ok(()),
    }
}

pub(crate) fn file_size_limit() -> Option<u64> {
    getrlimit(Resource::Fsize).current
}

fn check_root(root: &Path) -> Result<(), Trouble> {
    let look = |metadata: io::Result<Metadata>| match metadata {
        Ok(metadata) => Ok(Some(metadata)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Trouble::system("look at", root, &e)),
    };
    let Some(link) = look(fs::symlink_metadata(root))? else {
        return Ok(());
    };
    // Everyone may do everything to a link; what counts is whose it is.
    if link.is_symlink() && link.uid() != geteuid().as_raw() {
        return Err(owner(root, &link));
    }
    let Some(target) = look(fs::metadata(root))? else {
        return Ok(());
    };
    if !target.is_dir() {
        return Err(Trouble::NotAFolder {
            path: root.to_owned(),
        });
    }
    check_owner(root, &target)
}

fn check_owner(path: &Path, metadata: &Metadata) -> Result<(), Trouble> {
    if metadata.uid() != geteuid().as_raw() {
        return Err(owner(path, metadata));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(Trouble::Writable {
            path: path.to_owned(),
            mode: metadata.mode() & 0o7777,
        });
    }
    Ok(())
}

fn owner(path: &Path, metadata: &Metadata) -> Trouble {
    Trouble::Owner {
        path: path.to_owned(),
        owner: metadata.uid(),
        user: geteuid().as_raw(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(variables: &[(&str, &str)]) -> Option<PathBuf> {
        let find = |name: &str| variables.iter().find(|(n, _)| *n == name);
        folder_from(|name| find(name).map(|(_, value)| value.into()))
    }

    #[test]
    fn the_first_variable_that_is_set_counts() {
        let all = [
            ("REWIRE_CACHE", "/c"),
            ("XDG_CACHE_HOME", "/x"),
            ("HOME", "/h"),
            ("OTHER", "/o"),
        ];
        assert_eq!(folder(&all), Some("/c".into()));
        assert_eq!(folder(&all[1..]), Some("/x/rewire".into()));
        assert_eq!(folder(&all[2..]), Some("/h/.cache/rewire".into()));
        assert_eq!(folder(&all[3..]), None);
    }

    #[test]
    fn a_relative_xdg_folder_is_ignored() {
        assert_eq!(
            folder(&[("XDG_CACHE_HOME", "x"), ("HOME", "/h")]),
            Some("/h/.cache/rewire".into())
        );
    }
}
