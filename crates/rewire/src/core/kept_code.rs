//! [`KeptCode`]: an engine's cache of compiled code, and what was compiled and isn't written to it
//! yet.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rewire_cache::{Cache, CacheCounts, Entry, Part, PartKind, Value};
use rewire_llvm::{CODEGEN_VERSION, LLVM_VERSION, Level, Passes};
use rewire_memory::thread::Started;
use rewire_sync::Mutex;

use crate::base::options::Options;
use crate::base::sync::lock;
use crate::core::kept_images::KeptImages;

/// How many bytes of compiled code wait to be written. Writing many entries at once costs little
/// more than writing one.
const MOST_WAITING: usize = 4 << 20;

/// Counts changes of what this crate means by an object and of how it lays entries out: entries of
/// others are not found.
const FORMAT: u64 = 2;

/// The cache of an engine.
pub(crate) struct KeptCode {
    pub(crate) cache: Arc<Cache>,
    /// The parts that all keys of the engine have in common; the versions come first.
    pub(crate) common: Vec<Part>,
    /// How many of these are versions.
    versions: usize,
    /// The passes that run at a level instead of LLVM's.
    pub(crate) passes: BTreeMap<Level, Passes>,
    /// What relative names of files are relative to.
    folder: PathBuf,
    /// The process that the engine was created in. A forked child writes nothing: its parent will.
    process: u32,
    waiting: Mutex<Waiting>,
    /// What the store was told of what was counted.
    noted: Mutex<CacheCounts>,
    pub(crate) images: KeptImages,
}

/// What is to be written.
#[derive(Default)]
struct Waiting {
    entries: Vec<Entry>,
    bytes: usize,
    /// The thread that writes what waited before.
    writer: Option<Started>,
}

impl KeptCode {
    pub(crate) fn new(options: &Options) -> Option<Self> {
        let cache = options.cache.clone()?;
        let version = |name, value| Part::new(PartKind::Version, name, value);
        let mut common = vec![
            version("LLVM", Value::Text(LLVM_VERSION)),
            version("Rewire", Value::Text(env!("CARGO_PKG_VERSION"))),
            version("code generation", Value::Text(CODEGEN_VERSION)),
            version("format", Value::Number(FORMAT)),
        ];
        let versions = common.len();
        let cpu = options.cpu.to_string();
        common.push(Part::new(PartKind::Cpu, "", Value::Text(&cpu)));
        if !options.cache_salt.is_empty() {
            common.push(Part::new(
                PartKind::Salt,
                "",
                Value::Text(&options.cache_salt),
            ));
        }
        Some(Self {
            cache,
            common,
            versions,
            passes: options.passes.clone(),
            folder: std::env::current_dir().unwrap_or_default(),
            process: std::process::id(),
            waiting: Mutex::default(),
            noted: Mutex::default(),
            images: KeptImages::new(options),
        })
    }

    /// The versions of all that makes code and lays entries out.
    pub(crate) fn versions(&self) -> &[Part] {
        &self.common[..self.versions]
    }

    /// Returns the file that a unit's name means; unchanged, if it names none.
    pub(crate) fn file(&self, unit: &str) -> String {
        match Path::new(unit) {
            path if path.is_relative() => self.folder.join(path).to_string_lossy().into_owned(),
            _ => unit.to_owned(),
        }
    }

    /// Adds an entry to those that are to be written. Returns whether it is time to write them.
    pub(crate) fn add(&self, entry: Entry) -> bool {
        if self.process != std::process::id() {
            return false;
        }
        let mut waiting = lock(&self.waiting);
        waiting.bytes += entry.sealed().len();
        waiting.entries.push(entry);
        let is_written = waiting.writer.as_ref().is_none_or(Started::is_over);
        waiting.bytes > MOST_WAITING && is_written
    }

    /// Tells the store what was counted.
    pub(crate) fn note_counts(&self) {
        let counts = self.cache.counts();
        *lock(&self.noted) = counts;
        self.cache.note_counts();
    }

    /// Whether something was counted that the store wasn't told.
    pub(crate) fn has_counted(&self) -> bool {
        *lock(&self.noted) != self.cache.counts()
    }

    /// Whether this process is a forked child of the one that the engine was created in.
    pub(crate) fn is_of_parent(&self) -> bool {
        self.process != std::process::id()
    }

    /// Takes what is to be written.
    pub(crate) fn take(&self) -> Vec<Entry> {
        let mut waiting = lock(&self.waiting);
        waiting.bytes = 0;
        let entries = std::mem::take(&mut waiting.entries);
        match self.process == std::process::id() {
            true => entries,
            false => Vec::new(),
        }
    }

    /// Notes which thread writes.
    pub(crate) fn set_writer(&self, writer: Option<Started>) {
        let former = std::mem::replace(&mut lock(&self.waiting).writer, writer);
        drop(former);
    }

    /// Takes the thread that writes, to wait for it.
    pub(crate) fn take_writer(&self) -> Option<Started> {
        let writer = lock(&self.waiting).writer.take();
        if self.process != std::process::id() {
            // There is no such thread here.
            std::mem::forget(writer);
            return None;
        }
        writer
    }
}
