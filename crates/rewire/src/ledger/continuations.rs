//! Continuations: bodies of a function that begin at the head of one of its loops.
//!
//! A continuation is in force as long as the body that calls enter: it leaves together with it when
//! the function is changed, or when the code holds a copy of something that was replaced. Only when
//! a better body of the same definition takes over do they stay.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use rewire_llvm::Ordinal;
use rewire_memory::ExecAddr;

use super::continuation::{Continuation, ContinuationKey, LoopWords};
use super::unit::Unit;
use super::{BlockId, Definition, EntryId, Ledger};
use crate::base::addresses::BodyAddr;
use crate::base::frame_text::FrameText;
use crate::base::tier::Tier;

/// The body that asked how a loop goes on.
#[derive(Clone, Debug)]
pub(crate) struct AskingBody {
    pub(crate) entry: EntryId,
    pub(crate) unit: Arc<Unit>,
    pub(crate) ordinal: Ordinal,
    pub(crate) tier: Tier,
    pub(crate) block: BlockId,
    /// The quick frame that has what continuations need.
    pub(crate) frame: Option<FrameText>,
    /// Whether its definition is in force.
    pub(crate) is_in_force: bool,
}

impl AskingBody {
    /// Which continuation the body can go on in.
    pub(crate) fn key(&self, head: u32, is_optimised: bool) -> ContinuationKey {
        ContinuationKey {
            head,
            is_optimised,
            frame: self.frame,
        }
    }
}

impl Ledger {
    /// Returns the body that contains an address.
    pub(crate) fn asking_body(&self, inside: ExecAddr) -> Option<AskingBody> {
        let (id, defined) = self.definition_at(inside)?;
        let block = self.block(id)?;
        let unit = self.unit(block.unit)?.clone();
        let mut entries = (0..).map(Ordinal::new).zip(&unit.entries);
        let ordinal = entries.find(|(_, entry)| **entry == Some(defined.entry))?.0;
        let entry = self.entry(defined.entry);
        Some(AskingBody {
            entry: defined.entry,
            ordinal,
            tier: block.tier,
            block: id,
            frame: defined.frame,
            is_in_force: entry.definition == Definition::Ir(unit.id, ordinal) && entry.is_present(),
            unit,
        })
    }

    /// Returns a continuation of a function, if it is in force.
    pub(crate) fn continuation(&self, id: EntryId, key: ContinuationKey) -> Option<BodyAddr> {
        let mut known = self.continuations.get(&id)?.iter();
        let found = known.find(|one| one.key == key);
        found.map(|one| one.start)
    }

    /// Puts a continuation in force, and lets the loops of its function that wait for it know.
    pub(crate) fn add_continuation(
        &mut self,
        id: EntryId,
        key: ContinuationKey,
        (block, place): (BlockId, u32),
        start: BodyAddr,
    ) {
        let known = self.continuations.entry(id).or_default();
        let former = known.iter().position(|one| one.key == key);
        let former = former.map(|at| known.swap_remove(at));
        known.push(Continuation {
            key,
            block,
            place,
            start,
        });
        self.put_place_in_force(block, place);
        if let Some(former) = former {
            self.set_place_dead(former.block, former.place);
        }
    }

    /// Has a loop whose body waits for a continuation ask for it when it next passes its head. The
    /// word may have been freed meanwhile.
    pub(crate) fn wake_loop(&self, word: (BlockId, ExecAddr)) {
        if let Some(word) = self.loop_word(word) {
            LoopWords::strike(word);
        }
    }

    /// Has a loop ask no more for a long time, because it can't get a continuation.
    pub(crate) fn silence_loop(&self, word: (BlockId, ExecAddr)) {
        if let Some(word) = self.loop_word(word) {
            word.store(i32::MIN, Ordering::Relaxed);
        }
    }

    /// Returns the word that a loop's check reads, unless it has been freed.
    fn loop_word(&self, (block, word): (BlockId, ExecAddr)) -> Option<&'static AtomicI32> {
        let words = self.block(block).and_then(|block| block.loop_words);
        let index = |words: LoopWords| {
            let offset = word.get().checked_sub(words.start.get())?;
            words.get((offset / 4) as u32)
        };
        words.and_then(index)
    }

    /// Takes a name's definition out of force, a function's continuations included. Its block is
    /// retired when nothing else in it is in force.
    pub(super) fn set_dead(&mut self, id: EntryId) {
        self.drop_continuations(id);
        self.retire_body(id);
    }

    /// Takes a function's continuations out of force.
    fn drop_continuations(&mut self, id: EntryId) {
        if self.continuations.is_empty() {
            return;
        }
        for one in self.continuations.remove(&id).unwrap_or_default() {
            self.set_place_dead(one.block, one.place);
        }
    }

    /// Has the loops of all code that may hold a copy of a definition ask how to go on, because the
    /// definition has left, or another has taken its place.
    pub(super) fn note_copies_stale(&self, id: EntryId) {
        for block in &self.entry(id).inliners {
            let Some(block) = self.block(*block).filter(|block| block.tier != Tier::Quick) else {
                continue;
            };
            block.tell_stale();
            if let Some(words) = block.loop_words {
                for word in (0..words.count).filter_map(|index| words.get(index)) {
                    word.store(1, Ordering::Relaxed);
                }
            }
        }
    }
}
