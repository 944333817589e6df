//! Where compiled code is kept.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use rewire::cache::{Cache, Disk, DiskOptions, default_folder};

use crate::args::RunOptions;
use crate::message;

/// Opens the cache that a program is run with; `None` if there is none.
pub(crate) fn open(run: &RunOptions) -> Option<Arc<Cache>> {
    if run.no_cache {
        return None;
    }
    let folder = run.cache.clone().or_else(usual_folder)?;
    match Disk::open(&folder, DiskOptions::default()) {
        Ok(disk) => Some(Arc::new(Cache::new(Arc::new(disk)))),
        Err(trouble) => {
            // Whoever named the folder wants to know; others didn't ask for a cache.
            match run.cache.is_some() && !run.quiet {
                true => message::warning(
                    &format!("compiled code is not kept: {trouble}"),
                    "the program runs without a cache; --no-cache leaves it out",
                ),
                false => tracing::warn!(%trouble, "compiled code is not kept"),
            }
            None
        }
    }
}

/// The folder that is used unless another is named; `None` if the user wants none, or there is no
/// place for it.
pub(crate) fn usual_folder() -> Option<PathBuf> {
    match std::env::var_os("REWIRE_CACHE") {
        Some(value) if value == OsStr::new("off") => None,
        _ => default_folder(),
    }
}
