//! [`Watched`]: which files are watched, and which FILEs they belong to.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

/// Editors write a file in several steps, and compilers several files: what follows within this
/// time is part of the same change.
const TOGETHER: Duration = Duration::from_millis(20);

/// A change that goes on for longer is looked at all the same.
const AT_MOST: Duration = Duration::from_millis(500);

/// A file by its folder, which is canonical, and its name: editors put another file in its place.
type FilePlace = (PathBuf, OsString);

struct WatchedFile {
    /// Who is to be reloaded when it changes, as indices of FILEs.
    users: BTreeSet<usize>,
    /// A hash of its content when it was last looked at.
    content: Option<u64>,
}

/// The FILEs of a run, and what they include.
pub(super) struct Watched {
    files: Vec<PathBuf>,
    known: BTreeMap<FilePlace, WatchedFile>,
    folders: BTreeSet<PathBuf>,
    events: Receiver<notify::Result<Event>>,
    watcher: RecommendedWatcher,
    /// When watching began.
    begun: SystemTime,
}

impl Watched {
    pub(super) fn new(files: Vec<PathBuf>) -> notify::Result<Self> {
        let (sender, events) = mpsc::channel();
        let mut watched = Self {
            known: BTreeMap::new(),
            folders: BTreeSet::new(),
            events,
            watcher: notify::recommended_watcher(sender)?,
            begun: SystemTime::now(),
            files,
        };
        for index in 0..watched.files.len() {
            // A FILE that isn't there is an error of its own.
            let file = watched.files[index].clone();
            watched.add(&file, index)?;
        }
        Ok(watched)
    }

    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.files.clone()
    }

    /// Notes what a FILE includes. Returns whether some of that was changed since watching began:
    /// the FILE may have been read with its former content.
    pub(super) fn set_dependencies(&mut self, file: &Path, included: &[PathBuf]) -> bool {
        let Some(index) = self.files.iter().position(|known| known == file) else {
            return false;
        };
        for path in included {
            // What can't be watched doesn't keep the others from it.
            let _ = self.add(path, index);
        }
        let changed = |path: &PathBuf| path.metadata().and_then(|about| about.modified());
        let mut times = included.iter().flat_map(changed);
        times.any(|time| time >= self.begun)
    }

    /// Waits until files change that FILEs are made from, and returns these FILEs.
    pub(super) fn wait(&mut self) -> io::Result<Vec<PathBuf>> {
        loop {
            let first = self.events.recv().map_err(io::Error::other)?;
            let mut places = BTreeSet::new();
            let mut is_complete = self.note(first, &mut places)?;
            let begun = Instant::now();
            loop {
                match self.events.recv_timeout(TOGETHER) {
                    Ok(event) => is_complete &= self.note(event, &mut places)?,
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(gone @ RecvTimeoutError::Disconnected) => {
                        return Err(io::Error::other(gone));
                    }
                }
                if begun.elapsed() > AT_MOST {
                    break;
                }
            }
            if !is_complete {
                places = self.known.keys().cloned().collect();
            }
            let users: BTreeSet<usize> = places
                .iter()
                .flat_map(|place| self.users_of_changed(place))
                .collect();
            if !users.is_empty() {
                return Ok(users
                    .into_iter()
                    .map(|index| self.files[index].clone())
                    .collect());
            }
        }
    }

    fn add(&mut self, path: &Path, user: usize) -> notify::Result<()> {
        // A link may come to lead elsewhere, and what it leads to may change.
        let places = [
            place(path),
            path.canonicalize().ok().as_deref().and_then(place),
        ];
        for place in places.into_iter().flatten() {
            self.add_place(place, user)?;
        }
        Ok(())
    }

    fn add_place(&mut self, place: FilePlace, user: usize) -> notify::Result<()> {
        if self.folders.insert(place.0.clone()) {
            self.watcher.watch(&place.0, RecursiveMode::NonRecursive)?;
        }
        let known = self.known.entry(place.clone());
        let known = known.or_insert_with(|| WatchedFile {
            users: BTreeSet::new(),
            content: content(&place),
        });
        known.users.insert(user);
        Ok(())
    }

    /// Notes the places that an event tells of. Returns false if events were lost.
    fn note(
        &self,
        event: notify::Result<Event>,
        places: &mut BTreeSet<FilePlace>,
    ) -> io::Result<bool> {
        let event = event.map_err(io::Error::other)?;
        for path in &event.paths {
            if let (Some(folder), Some(name)) = (path.parent(), path.file_name()) {
                let place = (folder.to_owned(), name.to_owned());
                if self.known.contains_key(&place) {
                    places.insert(place);
                }
            }
        }
        Ok(!event.need_rescan())
    }

    /// Returns the FILEs that are made from a file, if its content has changed.
    fn users_of_changed(&mut self, place: &FilePlace) -> BTreeSet<usize> {
        let now = content(place);
        match self.known.get_mut(place) {
            // It isn't there while another one is put in its place.
            Some(known) if now.is_some() && known.content != now => {
                known.content = now;
                known.users.clone()
            }
            _ => BTreeSet::new(),
        }
    }
}

fn place(path: &Path) -> Option<FilePlace> {
    let folder = match path.parent()? {
        here if here.as_os_str().is_empty() => Path::new("."),
        folder => folder,
    };
    Some((folder.canonicalize().ok()?, path.file_name()?.to_owned()))
}

fn content((folder, name): &FilePlace) -> Option<u64> {
    let bytes = std::fs::read(folder.join(name)).ok()?;
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    Some(hasher.finish())
}
