//! Finds compiled code in the cache, and keeps there what was compiled.
//!
//! Code is found by what it is made from: the extracted module, the level, and who compiles. LLVM
//! doesn't work on what is found. Locals, and functions whose bodies are there to be inlined, are
//! told by their numbers in the unit, which change when something is added before them; so an
//! entry lists these numbers, and what is looked for has the numbers of today in the same order.

use std::sync::Arc;

use rewire_cache::{Entry, Key, Kind, Origin, PartKind, Recipe, Value};
use rewire_llvm::{Extracted, IdentityPart, Level, Ordinal};
use rewire_memory::{signals::ThreadStartMask, thread};
use rewire_sync::Mutex;

use super::workers;
use crate::base::sync::lock;
use crate::base::tier::Tier;
use crate::core::Core;
use crate::core::kept_code::KeptCode;
use crate::host::fork_lock;
use crate::ledger::unit::{ExtractScope, Unit};
use crate::link::LocalNumbers;

/// What code is made from, and what its object calls locals.
pub(crate) struct CodeIdentity {
    pub(crate) recipe: Recipe,
    locals: Vec<Ordinal>,
}

/// An object that was found.
pub(crate) struct FoundObject {
    pub(crate) bytes: Vec<u8>,
    pub(crate) locals: LocalNumbers,
    /// The functions whose bodies it has inlined.
    pub(crate) inlined: Vec<Ordinal>,
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
        if let Some(passes) = self.passes.get(&level) {
            recipe.add(PartKind::Passes, "", Value::Text(passes.identity()));
        }
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

    pub(super) fn origin(&self, unit: &Unit, function: Ordinal, tier: Tier) -> Option<Origin> {
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
        let ([stored, inlined], bytes) = split(entry.body())?;
        let locals = LocalNumbers::new(&stored, &identity.locals)?;
        Some(FoundObject {
            bytes: bytes.to_vec(),
            inlined: inlined.iter().map(|one| locals.in_unit(*one)).collect(),
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

/// An entry's content: the numbers of the locals that the object names, those of the functions
/// whose bodies it has inlined, which are among the former, then the object.
fn join(locals: &[Ordinal], inlined: &[Ordinal], object: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(8 + 4 * (locals.len() + inlined.len()) + object.len());
    for list in [locals, inlined] {
        body.extend((list.len() as u32).to_le_bytes());
        for ordinal in list {
            body.extend((ordinal.bits() as u32).to_le_bytes());
        }
    }
    body.extend(object);
    body
}

fn split(body: &[u8]) -> Option<([Vec<Ordinal>; 2], &[u8])> {
    let (locals, rest) = split_list(body)?;
    let (inlined, object) = split_list(rest)?;
    Some(([locals, inlined], object))
}

fn split_list(bytes: &[u8]) -> Option<(Vec<Ordinal>, &[u8])> {
    let (count, rest) = bytes.split_first_chunk()?;
    let count = u32::from_le_bytes(*count) as usize;
    let (numbers, rest) = rest.split_at_checked(count.checked_mul(4)?)?;
    let numbers = numbers.as_chunks().0.iter();
    let list = numbers.map(|number| Ordinal::new(u32::from_le_bytes(*number)));
    Some((list.collect(), rest))
}

impl Core {
    /// Keeps an object that was compiled. Without roots, nobody can ask for it by a name.
    pub(super) fn keep_compiled(
        &self,
        identity: &CodeIdentity,
        unit: &Unit,
        (roots, tier): (&[Ordinal], Tier),
        (inlined, object): (&[Ordinal], &[u8]),
    ) {
        let Some(kept) = &self.kept else { return };
        let origin = roots
            .first()
            .and_then(|root| kept.origin(unit, *root, tier));
        let body = join(&identity.locals, inlined, object);
        let entry = Entry::new(&identity.recipe, origin.as_ref(), &body);
        if kept.add(entry) {
            kept.set_writer(self.write_kept(kept, false));
        }
    }

    /// Writes what is to be kept and isn't written yet, and waits until that is done.
    pub(crate) fn finish_kept(&self) {
        let Some(kept) = &self.kept else { return };
        let _no_fork = fork_lock::enter_engine();
        let former = kept.take_writer();
        let last = self.write_kept(kept, true);
        let _outside = fork_lock::outside();
        for writer in [former, last].into_iter().flatten() {
            writer.join();
        }
    }

    /// Starts a thread that writes what waits, and the image if the program has ended.
    fn write_kept(&self, kept: &KeptCode, is_last: bool) -> Option<thread::Started> {
        let entries = kept.take();
        let image = is_last.then(|| self.image_to_keep()).flatten();
        if entries.is_empty() && image.is_none() && !kept.has_counted() {
            return None;
        }
        let cache = kept.cache.clone();
        beside_descriptors(move || {
            cache.put(&entries);
            if let Some(image) = &image {
                cache.put_image(image);
            }
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
        let some = [Ordinal::new(7), Ordinal::new(3).own_copy()];
        for locals in [&some[..], &[]] {
            for inlined in [&some[1..], &[]] {
                let body = join(locals, inlined, b"object");
                let (lists, object) = split(&body).expect("well formed");
                assert_eq!((&*lists[0], &*lists[1]), (locals, inlined));
                assert_eq!(object, b"object");
            }
        }
        for cut in 0..16 {
            assert!(split(&join(&some, &[], b"")[..cut]).is_none());
        }
    }
}
