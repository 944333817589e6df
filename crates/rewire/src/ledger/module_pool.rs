//! Keeps idle copies of a unit's module for the threads that compile.
//!
//! A thread that takes a copy has it exclusively, so no lock is held while LLVM works. If no copy
//! is idle, another one is read. Most of what a small module takes in memory is its context, some
//! dozens of kilobytes whatever is in it, and reading it again takes a fraction of the time of
//! compiling it; so only a few of the most recently used ones are kept, for all engines together.
//! Copies of a larger module are kept as long as its unit is in force, because reading it takes
//! time in proportion to its size, and a copy is needed once for each function.
//!
//! Copies that are read from bitcode discard the names of arguments, blocks and instructions, which
//! only people who read IR need. For IR as text ([`ModulePool::take_named`]), a separate copy that
//! keeps the names is read; of a large module, one such copy is kept as long as the others.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use rewire_llvm::{LlvmError, Module, Ordinal, Source, Verified};
use rewire_sync::{Mutex, MutexGuard, OnceLock};

use crate::base::packed::Packed;
use crate::base::sync::lock;

/// The maximum size in bytes of a small module: as bitcode, and as text, which is slower to read.
const SMALL: usize = 16 << 10;
const SMALL_TEXT: usize = 4 << 10;

/// The maximum number of idle copies of small modules.
const MOST_IDLE: usize = 16;

/// The idle copies of small modules, the most recently used at the end.
static IDLE: Mutex<VecDeque<Idle>> = Mutex::new(VecDeque::new());

#[derive(Debug)]
struct Idle {
    pool: u64,
    module: Module,
}

/// Locks [`IDLE`] without waiting, because a forked child may find it locked for ever.
fn idle() -> Option<MutexGuard<'static, VecDeque<Idle>>> {
    rewire_sync::try_lock(&IDLE)
}

fn may_have_assembly(source: &Source) -> bool {
    if source.is_object() {
        return false;
    }
    source.is_bitcode() || memchr::memmem::find(&source.bytes, b"asm").is_some()
}

/// The copies of one unit's module.
#[derive(Debug)]
pub(crate) struct ModulePool {
    source: Packed,
    /// What was verified in any copy that was read from the source, once one was read.
    verified: OnceLock<Verified>,
    may_have_assembly: bool,
    /// The bitcode of a large module that was added as text. The text is parsed once; copies are
    /// read from this bitcode, which is written when the first copy is needed.
    bitcode: OnceLock<Source>,
    /// The idle copies of a large module.
    large: Mutex<Vec<Module>>,
    /// An idle copy of a large module that has all names.
    named: Mutex<Option<Module>>,
    is_small: bool,
    /// Identifies the pool in [`IDLE`].
    number: u64,
}

impl ModulePool {
    /// Makes the pool of a source, with the first copy if it was read. If not, one is read when it
    /// is needed.
    pub(crate) fn new(source: Source, first: Option<Module>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let most = if source.is_bitcode() {
            SMALL
        } else {
            SMALL_TEXT
        };
        let pool = Self {
            is_small: source.bytes.len() <= most,
            verified: OnceLock::new(),
            may_have_assembly: may_have_assembly(&source),
            source: Packed::new(source),
            bitcode: OnceLock::new(),
            large: Mutex::default(),
            named: Mutex::default(),
            number: NEXT.fetch_add(1, Ordering::Relaxed),
        };
        if let Some(first) = first {
            pool.note_verified(&first);
            pool.put(first);
        }
        pool
    }

    /// Takes a copy that still has the bodies of `roots`. Copies from which bodies were moved
    /// already are taken first, so that intact ones stay intact.
    pub(crate) fn take(&self, roots: &[Ordinal]) -> Result<Module, LlvmError> {
        let has_all = |module: &Module| !roots.iter().any(|root| module.is_taken(*root));
        let is_begun = |module: &Module| has_all(module) && !module.is_intact();
        match self.idle_copy(is_begun).or_else(|| self.idle_copy(has_all)) {
            Some(copy) => Ok(copy),
            None => self.read(),
        }
    }

    /// Takes a copy that still has all bodies, from which bodies are only cloned.
    pub(crate) fn take_intact(&self) -> Result<Module, LlvmError> {
        match self.idle_copy(Module::is_intact) {
            Some(copy) => Ok(copy),
            None => self.read(),
        }
    }

    /// Takes an idle copy of this kind, if there is one.
    fn idle_copy(&self, is_wanted: impl Fn(&Module) -> bool) -> Option<Module> {
        if !self.is_small {
            let mut large = lock(&self.large);
            let place = large.iter().rposition(is_wanted)?;
            return Some(large.swap_remove(place));
        }
        let mut idle = idle()?;
        let mut copies = idle.iter();
        let place = copies.rposition(|one| one.pool == self.number && is_wanted(&one.module))?;
        idle.remove(place).map(|found| found.module)
    }

    /// Returns what was added.
    pub(crate) fn source(&self) -> Result<Source, LlvmError> {
        self.source.source()
    }

    /// Reads another copy.
    fn read(&self) -> Result<Module, LlvmError> {
        let source = self.source.source()?;
        if !self.is_small && !source.is_bitcode() {
            return Module::read(self.bitcode_of(&source)?);
        }
        let copy = Module::read_copy(&source, self.verified())?;
        self.note_verified(&copy);
        Ok(copy)
    }

    fn verified(&self) -> &Verified {
        self.verified.get().unwrap_or(&Verified::NOTHING)
    }

    /// All copies share what was verified in the first.
    fn note_verified(&self, copy: &Module) {
        self.verified.get_or_init(|| copy.verified());
    }

    /// Takes a copy that has the bodies of `roots`, and the names of all their values. Return it by
    /// [`ModulePool::put_named`].
    pub(crate) fn take_named(&self, roots: &[Ordinal]) -> Result<Module, LlvmError> {
        let idle = lock(&self.named).take();
        if let Some(idle) = idle.filter(|one| !roots.iter().any(|root| one.is_taken(*root))) {
            return Ok(idle);
        }
        let source = self.source.source()?;
        if source.is_bitcode() || self.is_small {
            return Module::read_named(&source, self.verified());
        }
        let bitcode = self.bitcode_of(&source)?;
        Module::read_named(bitcode, self.verified())
    }

    /// Returns the bitcode of a module that was added as large text.
    fn bitcode_of(&self, text: &Source) -> Result<&Source, LlvmError> {
        if let Some(bitcode) = self.bitcode.get() {
            return Ok(bitcode);
        }
        let bitcode = Module::read(text)?.to_bitcode()?;
        Ok(self.bitcode.get_or_init(|| bitcode))
    }

    /// Whether the module's functions may contain inline assembly. Of bitcode, this can't be known
    /// without reading the bodies.
    pub(crate) fn may_have_assembly(&self) -> bool {
        self.may_have_assembly
    }

    /// Returns a copy to the pool.
    pub(crate) fn put(&self, module: Module) {
        if !self.is_small {
            lock(&self.large).push(module);
            return;
        }
        let Some(mut idle) = idle() else {
            return;
        };
        idle.push_back(Idle {
            pool: self.number,
            module,
        });
        // Dropped without the lock, because freeing a module takes LLVM long.
        let oldest = (idle.len() > MOST_IDLE).then(|| idle.pop_front());
        drop(idle);
        drop(oldest);
    }

    /// Returns a copy with all names to the pool.
    pub(crate) fn put_named(&self, module: Module) {
        let dropped = if self.is_small {
            Some(module)
        } else {
            lock(&self.named).replace(module)
        };
        // Dropped without the lock, because freeing a module takes LLVM long.
        drop(dropped);
    }

    /// Frees the idle copies.
    pub(crate) fn clear(&self) {
        if !self.is_small {
            let copies = std::mem::take(&mut *lock(&self.large));
            let named = lock(&self.named).take();
            drop((copies, named));
            return;
        }
        let Some(mut idle) = idle() else {
            return;
        };
        let mut own = Vec::new();
        while let Some(place) = idle.iter().position(|one| one.pool == self.number) {
            own.extend(idle.remove(place));
        }
        drop(idle);
        drop(own);
    }

    /// Returns the approximate memory in bytes: the IR as it was added, and the copies.
    pub(crate) fn size(&self) -> u64 {
        /// The memory of a copy for each byte of bitcode, while its bodies are unread.
        const TIMES: u64 = 8;
        let given = self.source.size() as u64;
        let bitcode = self.bitcode.get();
        let written = bitcode.map_or(0, |bitcode| bitcode.bytes.len() as u64);
        let copies = if self.is_small {
            0
        } else {
            let named = usize::from(lock(&self.named).is_some());
            (lock(&self.large).len() + named) as u64
        };
        given + written + copies * TIMES * given
    }
}

impl Drop for ModulePool {
    fn drop(&mut self) {
        self.clear();
    }
}
