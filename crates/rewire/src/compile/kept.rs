//! Finds compiled code in the cache, and keeps there what was compiled.
//!
//! Code is found by what it is made from: the extracted module, the level, and who compiles. LLVM
//! doesn't work on what is found. The locals of a unit are told by their numbers in the unit, which
//! change when something is added before them; so an entry lists the numbers that are in its
//! object's symbols, and what is looked for has the numbers of today in the same order.

use std::sync::Arc;

use rewire_cache::{CacheCounts, Entry, Key, Kind, Origin, PartKind, Recipe, Value};
use rewire_llvm::{Extracted, IdentityPart, Level, Ordinal};
use rewire_memory::{signals::ThreadStartMask, thread};
use rewire_sync::Mutex;

use super::{BodyPart, compile_error, workers};
use crate::base::error::Error;
use crate::base::sync::lock;
use crate::base::tier::Tier;
use crate::core::Core;
use crate::core::kept_code::KeptCode;
use crate::host::fork_lock;
use crate::ledger::unit::{ExtractScope, Unit};
use crate::ledger::{Definition, LibraryId};
use crate::link::LocalNumbers;

/// What code is made from, and what its object calls locals.
pub(crate) struct CodeIdentity {
    pub(crate) recipe: Recipe,
    locals: Vec<Ordinal>,
}

/// What the code of a function is looked for by in the cache
/// ([`Engine::cache_lookup`](crate::Engine::cache_lookup)).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CacheLookup {
    /// Where the function comes from.
    pub origin: Origin,
    /// What its code may be made from: whether the variables that it names have memory by the time
    /// it is called depends on what was called before.
    pub recipes: Vec<Recipe>,
}

/// An object that was found.
pub(crate) struct FoundObject {
    pub(crate) bytes: Vec<u8>,
    pub(crate) locals: LocalNumbers,
}

impl KeptCode {
    /// Returns what an extracted module's code is made from, or `None` if that isn't known.
    pub(crate) fn identity(
        &self,
        extracted: &Extracted<'_>,
        level: Level,
        scope: ExtractScope,
    ) -> Option<CodeIdentity> {
        let mut recipe = Recipe::new(Kind::Function);
        for part in &self.common {
            recipe.push(part.clone());
        }
        recipe.add(PartKind::Option, "level", Value::Number(level as u64));
        if scope == ExtractScope::Whole {
            recipe.add(PartKind::Option, "frozen", Value::Flag(true));
        }
        let locals = extracted.identity(&mut |kind, name, bytes| {
            let (kind, name) = match kind {
                // Renaming a local changes no code.
                IdentityPart::Body => (PartKind::Body, ""),
                IdentityPart::ImportedBody => (PartKind::ImportedBody, name),
                IdentityPart::Variable => (PartKind::Constant, name),
            };
            recipe.add(kind, name, Value::Bytes(bytes));
        })?;
        Some(CodeIdentity { recipe, locals })
    }

    fn origin(&self, unit: &Unit, function: Ordinal, tier: Tier) -> Option<Origin> {
        let name = &unit.index.globals.get(function.index())?.name;
        let level = match tier {
            Tier::Quick => "auto".to_owned(),
            Tier::Optimised(level) => format!("auto, {}", level.digit()),
            Tier::Fixed(level) => level.digit().to_string(),
        };
        Some(Origin::new(&self.file(&unit.name), name, &level))
    }

    /// Looks for the object.
    pub(crate) fn find(&self, identity: &CodeIdentity) -> Option<FoundObject> {
        let key = identity.recipe.key();
        let entry = match self.cache.peek(&key) {
            Some(known) => known,
            None => self.read(key),
        }?;
        let (stored, bytes) = split(entry.body())?;
        let locals = LocalNumbers::new(&stored, &identity.locals)?;
        Some(FoundObject {
            bytes: bytes.to_vec(),
            locals,
        })
    }

    /// Reads an entry on a thread with descriptors of its own. That brings most of what is looked
    /// for later into memory.
    fn read(&self, key: Key) -> Option<Entry> {
        let cache = self.cache.clone();
        let found = Arc::new(Mutex::new(None));
        let answer = found.clone();
        let reader = beside_descriptors(move || *lock(&answer) = cache.get(&key));
        reader?.join();
        lock(&found).take()
    }
}

/// An entry's content: the numbers of the locals that the object names, then the object.
fn join(locals: &[Ordinal], object: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(4 + 4 * locals.len() + object.len());
    body.extend((locals.len() as u32).to_le_bytes());
    for local in locals {
        body.extend((local.bits() as u32).to_le_bytes());
    }
    body.extend(object);
    body
}

fn split(body: &[u8]) -> Option<(Vec<Ordinal>, &[u8])> {
    let (count, rest) = body.split_first_chunk()?;
    let count = u32::from_le_bytes(*count) as usize;
    let (numbers, object) = rest.split_at_checked(count.checked_mul(4)?)?;
    let numbers = numbers.as_chunks().0.iter();
    let locals = numbers.map(|number| Ordinal::new(u32::from_le_bytes(*number)));
    Some((locals.collect(), object))
}

impl Core {
    /// Keeps an object that was compiled.
    pub(super) fn keep(
        &self,
        identity: &CodeIdentity,
        unit: &Unit,
        roots: &[Ordinal],
        (tier, part): (Tier, BodyPart),
        object: &[u8],
    ) {
        let Some(kept) = &self.kept else { return };
        // Nobody asks for what follows a loop's head.
        let root = roots.first().filter(|_| part == BodyPart::All);
        let origin = root.and_then(|root| kept.origin(unit, *root, tier));
        let body = join(&identity.locals, object);
        let entry = Entry::new(&identity.recipe, origin.as_ref(), &body);
        if kept.add(entry) {
            kept.set_writer(self.write_kept(kept));
        }
    }

    /// See [`Engine::cache_lookup`](crate::Engine::cache_lookup).
    pub(crate) fn cache_lookup(&self, name: &str) -> Result<CacheLookup, Error> {
        let unknown = || Error::Unknown { name: name.into() };
        let kept = self.kept.as_ref().ok_or_else(unknown)?;
        let (unit, function) = {
            let ledger = self.ledger();
            let units = ledger.units();
            let local = || units.iter().find_map(|unit| unit.local(name));
            let id = ledger.find(LibraryId::MAIN, name).or_else(local);
            let id = id.ok_or_else(unknown)?;
            let Definition::Ir(unit, ordinal) = ledger.entry(ledger.target(id).0).definition()
            else {
                return Err(unknown());
            };
            let unit = ledger.unit(unit).cloned();
            (unit.ok_or_else(unknown)?, ordinal)
        };
        let scope = match unit.is_frozen {
            true => ExtractScope::Whole,
            false => ExtractScope::Values,
        };
        let mut recipes = Vec::new();
        let (tier, level) = (self.tiers.first, self.tiers.first.level());
        for placed in [false, true] {
            let refused = |source| compile_error(&unit, &[function], source);
            let mut copy = unit.copy(&[function]).map_err(refused)?;
            let extracted = copy.extract_assuming(function, placed, level > Level::O0);
            let mut extracted = extracted.map_err(refused)?;
            if scope == ExtractScope::Values {
                let checked = self.check_loops(&mut extracted, tier, BodyPart::All);
                checked.map_err(refused)?;
            }
            let identity = kept.identity(&extracted, level, scope);
            recipes.extend(identity.map(|identity| identity.recipe));
        }
        let origin = kept.origin(&unit, function, tier).ok_or_else(unknown)?;
        Ok(CacheLookup { origin, recipes })
    }

    /// Writes what is to be kept and isn't written yet, and waits until that is done.
    pub(crate) fn finish_kept(&self) {
        let Some(kept) = &self.kept else { return };
        let _no_fork = fork_lock::enter_engine();
        let former = kept.take_writer();
        let last = self.write_kept(kept);
        let _outside = fork_lock::outside();
        for writer in [former, last].into_iter().flatten() {
            writer.join();
        }
    }

    /// Starts a thread that writes what waits.
    fn write_kept(&self, kept: &KeptCode) -> Option<thread::Started> {
        let entries = kept.take();
        if entries.is_empty() && kept.cache.counts() == CacheCounts::default() {
            return None;
        }
        let cache = kept.cache.clone();
        beside_descriptors(move || {
            cache.put(&entries);
            cache.note_counts();
        })
    }
}

/// Starts a thread that opens files of the cache. Its table of descriptors is its own: the program,
/// which may close any descriptor and expects certain numbers for what it opens, doesn't see these.
/// The thread does nothing where that is impossible.
fn beside_descriptors(work: impl FnOnce() + Send + 'static) -> Option<thread::Started> {
    let _blocked = ThreadStartMask::begin();
    thread::start(c"rewire-cache", 1 << 20, move || {
        let _present = workers::be_present();
        if leave_descriptors() {
            work();
        }
    })
}

/// Gives this thread a table of descriptors of its own, without any of the program's but the first
/// three. Returns whether that was possible.
fn leave_descriptors() -> bool {
    // SAFETY: the flag leaves the descriptors of other threads alone, and this one has none.
    let left = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_UNSHARE,
        )
    };
    left == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_joined_is_split_again() {
        let locals = [Ordinal::new(7), Ordinal::new(3).own_copy()];
        for locals in [&locals[..], &[]] {
            let body = join(locals, b"object");
            let (numbers, object) = split(&body).expect("well formed");
            assert_eq!((&*numbers, object), (locals, &b"object"[..]));
        }
        for cut in 0..8 {
            assert!(split(&join(&locals, b"")[..cut]).is_none());
        }
    }
}
