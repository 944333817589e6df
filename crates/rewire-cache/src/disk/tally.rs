//! Totals that are kept across runs: bytes, hits and misses.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::counts::CacheCounts;
use crate::folder::{Folder, check_file_size};

/// The file: three numbers and a checksum over them.
const SIZE: usize = 3 * 8 + 32;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    bytes: u64,
    pub(super) hits: u64,
    pub(super) misses: u64,
}

impl Totals {
    fn to_bytes(self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        for (at, number) in [self.bytes, self.hits, self.misses].into_iter().enumerate() {
            bytes[8 * at..][..8].copy_from_slice(&number.to_le_bytes());
        }
        let checksum = blake3::hash(&bytes[..24]);
        bytes[24..].copy_from_slice(checksum.as_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; SIZE]) -> Option<Self> {
        if blake3::hash(&bytes[..24]).as_bytes()[..] != bytes[24..] {
            return None;
        }
        let number = |at: usize| Some(u64::from_le_bytes(*bytes[8 * at..].first_chunk()?));
        Some(Self {
            bytes: number(0)?,
            hits: number(1)?,
            misses: number(2)?,
        })
    }
}

/// The totals of a folder, and what of them was counted before in this process.
#[derive(Debug, Default)]
pub(super) struct Tally {
    noted_hits: AtomicU64,
    noted_misses: AtomicU64,
}

impl Tally {
    /// Notes that a file was written, and returns how many bytes there are now. `None` if that
    /// isn't known, and has to be counted.
    pub(super) fn add(&self, folder: &Folder, bytes: u64) -> Option<u64> {
        let mut known = None;
        update(folder, |totals| {
            if let Some(totals) = totals {
                totals.bytes = totals.bytes.saturating_add(bytes);
                known = Some(totals.bytes);
            }
        });
        known
    }

    /// Notes how many bytes were counted.
    pub(super) fn set_bytes(&self, folder: &Folder, bytes: u64) {
        let mut was_known = false;
        update(folder, |totals| {
            if let Some(totals) = totals {
                totals.bytes = bytes;
                was_known = true;
            }
        });
        if !was_known {
            start(
                folder,
                Totals {
                    bytes,
                    hits: 0,
                    misses: 0,
                },
            );
        }
    }

    pub(super) fn note(&self, folder: &Folder, counts: CacheCounts) {
        let new = |noted: &AtomicU64, now| now - noted.swap(now, Ordering::Relaxed).min(now);
        let hits = new(&self.noted_hits, counts.hits);
        let misses = new(&self.noted_misses, counts.misses);
        if hits > 0 || misses > 0 {
            update(folder, |totals| {
                if let Some(totals) = totals {
                    totals.hits = totals.hits.saturating_add(hits);
                    totals.misses = totals.misses.saturating_add(misses);
                }
            });
        }
    }
}

/// Changes the totals. They are `None` if there are none yet, or they are damaged. Nobody is waited
/// for: what another process's change costs is a difference that the next count sets right.
fn update(folder: &Folder, change: impl FnOnce(Option<&mut Totals>)) {
    let file = open(folder, false).ok();
    let mut totals = file.as_ref().and_then(read);
    change(totals.as_mut());
    if let (Some(file), Some(totals)) = (file, totals) {
        // What can't be noted is left out.
        let _ = file.write_all_at(&totals.to_bytes(), 0);
    }
}

fn start(folder: &Folder, totals: Totals) {
    let allowed = check_file_size(&folder.inside("totals"), SIZE as u64).is_ok();
    if let Some(file) = open(folder, true).ok().filter(|_| allowed) {
        let _ = file.write_all_at(&totals.to_bytes(), 0);
    }
}

fn open(folder: &Folder, create: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(create)
        .truncate(false)
        .mode(0o600);
    let file = options.open(folder.inside("totals"))?;
    // A lock that isn't free means a change at the same moment, which may lose one of the two.
    let _ = file.try_lock();
    Ok(file)
}

fn read(file: &File) -> Option<Totals> {
    let mut bytes = [0; SIZE];
    file.read_exact_at(&mut bytes, 0).ok()?;
    Totals::from_bytes(&bytes)
}

/// The totals of all processes, as far as they are known.
pub(super) fn totals(folder: &Folder) -> Totals {
    open(folder, false)
        .ok()
        .as_ref()
        .and_then(read)
        .unwrap_or_default()
}
