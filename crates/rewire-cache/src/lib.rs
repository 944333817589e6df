//! Compiled code on disk: keys, entries, index, verification.
//!
//! This crate knows neither LLVM nor live memory. It keeps bytes under a [`Key`], and returns
//! either those bytes or nothing: whatever happens to the files costs a compilation, and never an
//! error of the program or a wrong result.
//!
//! ```
//! use std::sync::Arc;
//! use rewire_cache::{Cache, Disk, DiskOptions, Entry, Kind, Origin, PartKind, Recipe, Value};
//!
//! # let temporary = tempfile::tempdir()?;
//! # let folder = temporary.path().join("cache");
//! let disk = Arc::new(Disk::open(&folder, DiskOptions::default())?);
//! let cache = Cache::new(disk.clone());
//!
//! // All that the code of `sum` depends on.
//! let recipe = Recipe::new(Kind::Function)
//!     .with(PartKind::Body, "sum", Value::Bytes(b"the IR of sum"))
//!     .with(PartKind::ImportedBody, "add", Value::Bytes(b"the IR of add"))
//!     .with(PartKind::Option, "level", Value::Text("2"))
//!     .with(PartKind::Cpu, "name", Value::Text("x86-64"))
//!     .with(PartKind::Version, "LLVM", Value::Text("22.1.0"));
//! assert_eq!(cache.get(&recipe.key()), None);
//!
//! let origin = Origin::new("sum.bc", "sum", "2");
//! cache.put(&[Entry::new(&recipe, Some(&origin), b"machine code")]);
//! let entry = cache.get(&recipe.key()).expect("it was put a moment ago");
//! assert_eq!(entry.body(), b"machine code");
//!
//! // Why it isn't found after `add` has changed.
//! let changed = Recipe::new(Kind::Function)
//!     .with(PartKind::Body, "sum", Value::Bytes(b"the IR of sum"))
//!     .with(PartKind::ImportedBody, "add", Value::Bytes(b"new IR of add"))
//!     .with(PartKind::Option, "level", Value::Text("2"))
//!     .with(PartKind::Cpu, "name", Value::Text("x86-64"))
//!     .with(PartKind::Version, "LLVM", Value::Text("22.1.0"));
//! assert_eq!(
//!     disk.explain(&origin, &changed)?.to_string(),
//!     "not found: imported body `add` changed"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # From a recipe to bytes
//!
//! A [`Recipe`] lists all that an entry is made from; its hash is the [`Key`]. An [`Entry`] holds
//! the bytes, their recipe, and a checksum over both. [`Cache`] moves entries in and out of a
//! [`Store`] and checks what comes back; [`Disk`] is the store on disk, [`MemoryStore`] one in
//! memory, and a client may have its own.
//!
//! # On disk
//!
//! ```text
//! v1/files/ab/cdef....code      functions that were put together
//! v1/files/ab/cdef....image     a program's end state, named by its key
//! v1/files/ab/cdef....profile   profiles and indexes of modules, named by their keys
//! v1/index/data.mdb             function -> file and offset; origin -> newest entry
//! v1/totals, lock, temporary/
//! ```
//!
//! An image, a profile or a module's index is found by its file's name: the second run of a program
//! reads one file, and no index. A function is found by the index. Functions that are put together
//! share a file, because making a file takes most of the time: 1,000 files of 2 KB took 95 ms, one
//! file and one transaction take 3. The first function of a file that is looked for brings the
//! whole file into memory, up to 4 MB, with one read and one check.
//!
//! Files are read, not mapped: a mapped file that another process cuts off ends this one by SIGBUS,
//! and mapping would save 0.06 ms of the 0.39 that an image of 2.6 MB takes, because its checksum
//! touches each page anyway. The index is written by LMDB, but not read by it, for this reason and
//! others: its module tells them.
//!
//! What it costs, as `examples/figures.rs` prints it, when the kernel has the files in memory:
//!
//! | | |
//! |---|---|
//! | open | 2 us |
//! | an image of 2.6 MB with 848 functions | 0.39 ms |
//! | one function of them | 0.40 ms |
//! | all of them, one by one | 0.57 ms |
//! | 1,000 functions that aren't there | 0.5 ms |
//! | put 848 functions, or the image | 2.8 ms, 1.8 ms |
//! | put one more, with 100,000 there | 0.2 ms |
//!
//! A file's modification time is the time of its last use, as exactly as ten minutes. When the
//! files outgrow [`DiskOptions::limit`], those that were used longest ago are removed.
#![deny(unsafe_code)]

mod bytes;
mod cache;
mod counts;
mod disk;
mod entry;
mod folder;
mod image;
mod index;
mod key;
mod store;
mod trouble;

pub use cache::Cache;
pub use counts::CacheCounts;
pub use disk::{DamagedFile, Difference, Disk, DiskInfo, DiskOptions, Explanation, Verification};
pub use entry::{Body, Damage, Entry, Origin};
pub use folder::default_folder;
pub use image::Image;
pub use key::{Key, Kind, Part, PartKind, Recipe, Value, hash_of};
pub use store::{MemoryStore, Store};
pub use trouble::Trouble;
