//! What is known of a cache, without reading its entries.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::state::Disk;
use super::tally::totals;
use crate::trouble::Trouble;

/// What is known of a cache on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskInfo {
    /// The folder.
    pub path: PathBuf,
    /// How many files hold entries.
    pub files: u64,
    /// How many bytes these have.
    pub bytes: u64,
    /// How many are allowed.
    pub limit: u64,
    /// How long ago the file that was used longest ago was used.
    pub oldest: Option<Duration>,
    /// Hits of all processes, as far as they were noted.
    pub hits: u64,
    /// Misses of all processes, as far as they were noted.
    pub misses: u64,
}

impl Disk {
    /// What is known of the cache. Looks at each file's size and time, and reads none.
    ///
    /// # Errors
    ///
    /// The folder isn't used: see [`Disk::trouble`].
    pub fn info(&self) -> Result<DiskInfo, Trouble> {
        self.usable()?;
        let files = self.folder.files();
        let totals = totals(&self.folder);
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = since_1970.map_or(0, |time| time.as_nanos().cast_signed());
        let oldest = files.iter().map(|file| now - file.used).max();
        Ok(DiskInfo {
            path: self.folder.root().to_owned(),
            files: files.len() as u64,
            bytes: files.iter().map(|file| file.size).sum(),
            limit: self.options.limit,
            oldest: oldest.map(|ns| Duration::from_nanos(ns.max(0).try_into().unwrap_or(u64::MAX))),
            hits: totals.hits,
            misses: totals.misses,
        })
    }
}
