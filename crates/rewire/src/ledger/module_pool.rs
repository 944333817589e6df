//! Copies of a unit's module, and how many of them are kept while nobody works on them.
//!
//! Whoever takes a copy has it alone, so that no lock is held while LLVM works; when none is idle,
//! another one is read. What a small module has in memory is mostly its context, some dozens of
//! kilobytes whatever is in it, and reading it again takes a fraction of the time of compiling it:
//! so a few of those that were used last are kept, of all engines together. The copies of a larger
//! one are kept for as long as its unit is in force, because what reading it takes grows with it,
//! and it is needed once for each function.
//!
//! What is read from bitcode forgets the names of arguments, blocks and instructions, which are
//! only for people who read IR. Who asks for text ([`ModulePool::take_named`]) has another copy
//! read, which keeps them; of a large module, one such copy stays as long as the others.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use rewire_llvm::{LlvmError, Module, Ordinal, Source, Verified};
use rewire_sync::{Mutex, MutexGuard, OnceLock};

use crate::base::packed::Packed;
use crate::base::sync::lock;

/// How many bytes a module has at most that is small: of bitcode, and of text, which is slower to
/// read.
const SMALL: usize = 16 << 10;
const SMALL_TEXT: usize = 4 << 10;

/// How many copies of small modules are kept idle.
const MOST_IDLE: usize = 16;

/// Copies of small modules, those that were used last at the end.
static IDLE: Mutex<VecDeque<Idle>> = Mutex::new(VecDeque::new());

#[derive(Debug)]
struct Idle {
    pool: u64,
    module: Module,
}

/// The lock is never waited for: a child of fork may find it locked for ever.
fn idle() -> Option<MutexGuard<'static, VecDeque<Idle>>> {
    rewire_sync::try_lock(&IDLE)
}

fn may_have_assembly(source: &Source) -> bool {
    source.is_bitcode() || memchr::memmem::find(&source.bytes, b"asm").is_some()
}

/// The copies of one unit's module.
#[derive(Debug)]
pub(crate) struct ModulePool {
    source: Packed,
    /// What was verified in any of the copies that were read from it.
    verified: Verified,
    may_have_assembly: bool,
    /// Large text is read once; copies come from bitcode, written when the first one is needed.
    bitcode: OnceLock<Source>,
    /// Idle copies, if it isn't small.
    large: Mutex<Vec<Module>>,
    /// An idle copy that kept all names, if it isn't small.
    named: Mutex<Option<Module>>,
    is_small: bool,
    /// Tells it from others in [`IDLE`].
    number: u64,
}

impl ModulePool {
    pub(crate) fn new(source: Source, first: Module) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let most = if source.is_bitcode() {
            SMALL
        } else {
            SMALL_TEXT
        };
        let pool = Self {
            is_small: source.bytes.len() <= most,
            verified: first.verified(),
            may_have_assembly: may_have_assembly(&source),
            source: Packed::new(source),
            bitcode: OnceLock::new(),
            large: Mutex::default(),
            named: Mutex::default(),
            number: NEXT.fetch_add(1, Ordering::Relaxed),
        };
        pool.put(first);
        pool
    }

    /// A copy that still has the bodies of `roots`.
    pub(crate) fn take(&self, roots: &[Ordinal]) -> Result<Module, LlvmError> {
        let has_all = |module: &Module| !roots.iter().any(|root| module.is_taken(*root));
        if self.is_small {
            if let Some(mut idle) = idle()
                && let Some(place) = idle
                    .iter()
                    .rposition(|one| one.pool == self.number && has_all(&one.module))
                && let Some(found) = idle.remove(place)
            {
                return Ok(found.module);
            }
            return Module::read_copy(&self.source.source()?, &self.verified);
        }
        let mut large = lock(&self.large);
        if let Some(place) = large.iter().rposition(has_all) {
            return Ok(large.swap_remove(place));
        }
        drop(large);
        let source = self.source.source()?;
        if source.is_bitcode() {
            return Module::read_copy(&source, &self.verified);
        }
        Module::read(self.bitcode_of(&source)?)
    }

    /// A copy that has the bodies of `roots`, and the names of all their values. It goes back by
    /// [`ModulePool::put_named`].
    pub(crate) fn take_named(&self, roots: &[Ordinal]) -> Result<Module, LlvmError> {
        let idle = lock(&self.named).take();
        if let Some(idle) = idle.filter(|one| !roots.iter().any(|root| one.is_taken(*root))) {
            return Ok(idle);
        }
        let source = self.source.source()?;
        if source.is_bitcode() || self.is_small {
            return Module::read_named(&source, &self.verified);
        }
        let bitcode = self.bitcode_of(&source)?;
        Module::read_named(bitcode, &self.verified)
    }

    /// Large text as bitcode.
    fn bitcode_of(&self, text: &Source) -> Result<&Source, LlvmError> {
        if let Some(bitcode) = self.bitcode.get() {
            return Ok(bitcode);
        }
        let bitcode = Module::read(text)?.to_bitcode()?;
        Ok(self.bitcode.get_or_init(|| bitcode))
    }

    /// Whether it may have assembly within functions; of bitcode, only its bodies say.
    pub(crate) fn may_have_assembly(&self) -> bool {
        self.may_have_assembly
    }

    /// Leaves a copy to whoever needs one next.
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
        // LLVM takes its time to free modules.
        let oldest = (idle.len() > MOST_IDLE).then(|| idle.pop_front());
        drop(idle);
        drop(oldest);
    }

    /// Takes a copy back that kept all names.
    pub(crate) fn put_named(&self, module: Module) {
        let dropped = if self.is_small {
            Some(module)
        } else {
            lock(&self.named).replace(module)
        };
        // LLVM takes its time to free modules.
        drop(dropped);
    }

    /// Frees the copies that nobody works on.
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

    /// About how many bytes it takes: the IR as it was given, and copies of it.
    pub(crate) fn size(&self) -> u64 {
        /// What a copy takes for each byte of bitcode, its bodies not read.
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
