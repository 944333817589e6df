//! Forgetting what was used longest ago, and clearing.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs;

use super::loaded::Loaded;
use super::state::{Disk, lock};
use crate::folder::ignore_missing;
use crate::index::{Index, IndexLock, read_location_row, read_newest};
use crate::key::Key;
use crate::trouble::Trouble;

impl Disk {
    /// Counts what there is, and removes the files that were used longest ago until a tenth of the
    /// limit is free, so that this isn't done for each file.
    pub(super) fn evict(&self) -> Result<(), Trouble> {
        let mut files = self.folder.files();
        let mut total: u64 = files.iter().map(|file| file.size).sum();
        if total > self.options.limit {
            files.sort_by_key(|file| file.used);
            let enough = self.options.limit - self.options.limit / 10;
            // The newest file stays: it was written a moment ago.
            for file in files.iter().take(files.len() - 1) {
                if total <= enough {
                    break;
                }
                let removed = fs::remove_file(&file.path).or_else(ignore_missing);
                removed.map_err(|e| Trouble::system("remove", &file.path, &e))?;
                total -= file.size;
            }
            let index_lock = self.lock_index()?;
            self.sweep(&index_lock)?;
        }
        self.tally.set_bytes(&self.folder, total);
        Ok(())
    }

    /// Removes the rows of files that aren't there, and of origins whose newest entry was in one.
    fn sweep(&self, index_lock: &IndexLock) -> Result<(), Trouble> {
        let files: HashSet<Key> = self
            .folder
            .files()
            .into_iter()
            .map(|file| file.name)
            .collect();
        let kept = RefCell::new(HashSet::new());
        // Rows that say where an entry is come before those of origins.
        let keep = |key: &[u8], value: &[u8]| match read_location_row(key, value) {
            Some((entry, location)) => {
                files.contains(&location.file) && kept.borrow_mut().insert(entry)
            }
            None => read_newest(value).is_some_and(|entry| kept.borrow().contains(&entry)),
        };
        self.index.write(&self.folder, index_lock, &[], Some(&keep))
    }

    /// Removes all entries, those of other versions of the format too. Other files in the folder
    /// are left alone.
    ///
    /// # Errors
    ///
    /// The folder isn't used, or something in it can't be removed.
    pub fn clear(&self) -> Result<(), Trouble> {
        self.usable()?;
        *lock(&self.loaded) = Loaded::default();
        // Nobody writes meanwhile. Without a folder there is nothing to lock or to remove.
        let _index_lock = match Index::lock(&self.folder) {
            Err(Trouble::System { .. }) => None,
            locked => Some(locked?),
        };
        self.folder.clear()?;
        self.index.forget_pages();
        Ok(())
    }
}
