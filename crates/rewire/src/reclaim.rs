//! Giving back what nobody enters any more.
//!
//! ```text
//! in force -> retired: no slot leads to it -> no stack holds a way into it -> quarantined -> free
//! ```
//!
//! Looking at all stacks costs as much for one piece as for a thousand, so it is done when much
//! has gathered, or when the client asks. What a stack holds is left for the next time.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use rewire_memory::ExecAddr;
use rewire_memory::scan::{self, Caller, Unknown};
use rustc_hash::FxHashSet;

use crate::base::events::ReclaimedCode;
use crate::base::ids::UnitKey;
use crate::base::sync::lock;
use crate::core::{Core, LastLook};
use crate::host::fork_lock;
use crate::host::thread_local;
use crate::ledger::unit::Unit;
use crate::ledger::{Freed, Retired, RetiredItem};
use crate::process::unit_endings;

/// So many pieces, or so many bytes of code, variables and IR, are looked after without being
/// asked.
const MANY: usize = 1024;
const MUCH: u64 = 4 << 20;

/// How often these are halved for the next look after one that didn't see all threads; once less
/// after each further one in a row.
const SOON: u32 = 4;

/// How often to look again because destructors have run.
const MOST_LOOKS: usize = 8;

/// Something that was replaced or removed and whose memory isn't given back yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetiredCode {
    /// The function, or the unit.
    pub name: Arc<str>,
    /// Bytes of code.
    pub size: u64,
    /// Who needs it still; `None` if nobody does, or nobody has looked.
    pub holder: Option<Arc<str>>,
}

/// What came of giving back.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Reclaimed {
    /// Bytes of code that were given back.
    pub bytes: u64,
    /// What wasn't given back.
    pub left: Vec<RetiredCode>,
    /// Threads and stacks that couldn't be looked at: because of them nothing was given back.
    pub unknown: Vec<String>,
    /// What the observer is to be told of.
    code: Vec<ReclaimedCode>,
}

impl fmt::Display for RetiredCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} bytes", self.name, self.size)?;
        match &self.holder {
            Some(holder) => write!(f, ", held by {holder}"),
            None => Ok(()),
        }
    }
}

impl Core {
    /// Looks at all stacks and gives back what no thread can return into, if much has gathered.
    pub(crate) fn reclaim_if_much(&self, caller: &Caller) {
        let no_fork = fork_lock::enter_engine();
        let (pieces, bytes) = self.tidy();
        let last = self.reclaimer.lock_if_free();
        let Some(mut last) = last else {
            return;
        };
        // What was held the last time is likely to be held now. A thread that didn't answer in time
        // is likely to answer the next time.
        let halvings = match last.unfinished {
            0 => 0,
            unfinished => (SOON + 1).saturating_sub(unfinished),
        };
        let (many, much) = (MANY >> halvings, MUCH >> halvings);
        if pieces >= last.pieces + many || bytes >= last.bytes + much {
            let mut ending = Vec::new();
            let reclaimed = self.reclaim_now(caller, &mut last, &mut ending);
            drop(last);
            drop(no_fork);
            self.tell_reclaimed(&reclaimed);
            // They are given back the next time.
            for unit in ending {
                unit_endings::run(self, &unit);
            }
        }
    }

    /// The same after a change; `has_endings`: a unit's destructors wait for nobody to be in it.
    pub(crate) fn reclaim_after_change(&self, caller: &Caller, has_endings: bool) {
        if has_endings {
            let _ = self.reclaim(caller);
        } else {
            self.reclaim_if_much(caller);
        }
    }

    /// Gives back what no thread can be in, whatever it does; how much else waits, in pieces and
    /// bytes.
    fn tidy(&self) -> (usize, u64) {
        let (copied, freed, waiting) = {
            let mut ledger = self.ledger();
            let freed = ledger.free_names(&self.slots);
            (ledger.take_copied(), freed, ledger.waiting_to_leave())
        };
        for unit in copied {
            unit.free_copies();
        }
        if !freed.entries.is_empty() {
            self.release_memory(freed);
        }
        waiting
    }

    /// Looks at all stacks and gives back what no thread can return into.
    pub(crate) fn reclaim(&self, caller: &Caller) -> Reclaimed {
        let mut reclaimed = Reclaimed::default();
        // Destructors may have others removed.
        for _ in 0..MOST_LOOKS {
            let mut ending = Vec::new();
            let again = {
                let _no_fork = fork_lock::enter_engine();
                let mut last = self.reclaimer.lock();
                self.reclaim_now(caller, &mut last, &mut ending)
            };
            self.tell_reclaimed(&again);
            reclaimed = Reclaimed {
                bytes: reclaimed.bytes + again.bytes,
                ..again
            };
            if ending.is_empty() {
                break;
            }
            for unit in ending {
                unit_endings::run(self, &unit);
            }
        }
        reclaimed
    }

    /// Tells the observer, with no lock held.
    fn tell_reclaimed(&self, reclaimed: &Reclaimed) {
        if let Some(observer) = &self.compile_observer {
            for one in &reclaimed.code {
                observer.reclaimed(one);
            }
        }
    }

    /// Units that only wait for their destructors to run are put into `ending`.
    fn reclaim_now(
        &self,
        caller: &Caller,
        last: &mut LastLook,
        ending: &mut Vec<Arc<Unit>>,
    ) -> Reclaimed {
        self.tidy();
        let retired = self.ledger().retired(&self.slots, &self.memory);
        let mut ranges: Vec<(Range<ExecAddr>, usize)> = Vec::new();
        for (place, piece) in retired.iter().enumerate() {
            if piece.kept_by.is_none() {
                let ways_in = piece.code.iter().chain(&piece.stubs);
                ranges.extend(ways_in.map(|code| (code.clone(), place)));
            }
        }
        ranges.sort_unstable_by_key(|(code, _)| code.start);
        let suspects: Vec<Range<ExecAddr>> = ranges.iter().map(|(code, _)| code.clone()).collect();
        // Nobody reaches what the last time left in quarantine, if nothing does now.
        let found = scan::scan_for(caller, &suspects);
        let mut reclaimed = Reclaimed {
            unknown: found.unknown.iter().map(Unknown::to_string).collect(),
            ..Reclaimed::default()
        };
        let mut holders: Vec<Option<Arc<str>>> =
            retired.iter().map(|piece| piece.kept_by.clone()).collect();
        for ((_, place), holder) in ranges.iter().zip(&found.held) {
            if let Some(holder) = holder {
                holders[*place].get_or_insert_with(|| holder.to_string().into());
            }
        }
        let may_free = reclaimed.unknown.is_empty();
        let mut clean = Vec::new();
        for (piece, holder) in retired.into_iter().zip(holders) {
            if may_free && holder.is_none() && !(found.in_flight && piece.is_unit()) {
                match self.ending_of(&piece) {
                    Some(unit) => {
                        ending.push(unit);
                        let holder = Some("its destructors".into());
                        reclaimed.left.push(describe(&piece, holder));
                    }
                    None => clean.push(piece),
                }
            } else if piece.is_code() {
                let in_flight = found.in_flight.then(|| Arc::from("an exception in flight"));
                reclaimed.left.push(describe(&piece, holder.or(in_flight)));
            }
        }
        self.keep_for_endings(&mut clean, ending, &mut reclaimed);
        if may_free {
            self.memory.end_quarantine();
        }
        let freed = {
            let mut ledger = self.ledger();
            let freed = ledger.free(&clean, &self.slots, &self.memory);
            for piece in clean.iter().filter(|piece| ledger.is_there(piece)) {
                let namer = match piece.what {
                    RetiredItem::Unit(unit) => ledger.namer_of(unit),
                    RetiredItem::Block(block) => ledger.namer_of_block(block),
                    RetiredItem::Name(_) => None,
                };
                let holder = namer.unwrap_or_else(|| "what leaves with it".to_owned());
                reclaimed.left.push(describe(piece, Some(holder.into())));
            }
            freed
        };
        if self.compile_observer.is_some() {
            let ledger = self.ledger();
            let gone = clean.iter().filter(|piece| !ledger.is_there(piece));
            let gone = gone.filter(|piece| !piece.code.is_empty());
            reclaimed.code.extend(gone.map(|piece| ReclaimedCode {
                name: piece.label.clone(),
                code: piece.code.clone(),
            }));
        }
        reclaimed.bytes = self.release_memory(freed);
        *last = {
            let (pieces, bytes) = self.ledger().waiting_to_leave();
            let unfinished = match may_free && !found.in_flight {
                true => 0,
                false => last.unfinished.saturating_add(1),
            };
            LastLook {
                pieces,
                bytes,
                unfinished,
            }
        };
        reclaimed
    }

    /// What is retired and not given back.
    pub(crate) fn retired(&self) -> Vec<RetiredCode> {
        let retired = self.ledger().retired(&self.slots, &self.memory);
        retired
            .iter()
            .filter(|piece| piece.is_code())
            .map(|piece| describe(piece, piece.kept_by.clone()))
            .collect()
    }

    /// Keeps what destructors may call that are still to run, in this look or a later one.
    fn keep_for_endings(
        &self,
        clean: &mut Vec<Retired>,
        ending: &[Arc<Unit>],
        reclaimed: &mut Reclaimed,
    ) {
        let left = self.ledger().left_units();
        let mut waiting: FxHashSet<UnitKey> = ending.iter().map(|unit| unit.id).collect();
        let held = left
            .iter()
            .filter(|unit| unit_endings::has_endings(self, unit));
        waiting.extend(held.map(|unit| unit.id));
        if waiting.is_empty() {
            return;
        }
        let ledger = self.ledger();
        clean.retain(|piece| {
            let is_needed =
                matches!(piece.what, RetiredItem::Unit(unit) if ledger.is_used_by(unit, &waiting));
            if is_needed {
                let holder = Some("destructors of units that leave".into());
                reclaimed.left.push(describe(piece, holder));
            }
            !is_needed
        });
    }

    /// The unit that a piece is, if its destructors haven't run.
    fn ending_of(&self, piece: &Retired) -> Option<Arc<Unit>> {
        let RetiredItem::Unit(unit) = piece.what else {
            return None;
        };
        let unit = self.ledger().unit(unit).cloned();
        unit.filter(|unit| unit_endings::has_endings(self, unit))
    }

    /// Gives back what the ledger took out; how many bytes of code that was.
    pub(crate) fn release_memory(&self, freed: Freed) -> u64 {
        // The unwinder forgets them first.
        let mut bytes = 0;
        drop(freed.unwind);
        drop(freed.blocks);
        self.forget_entries(&freed.entries);
        for module in freed.thread_modules {
            thread_local::forget_module(module);
        }
        for (kind, range) in freed.memory {
            bytes += if kind == rewire_memory::RegionKind::Code {
                range.end.get() - range.start.get()
            } else {
                0
            };
            // SAFETY: the ledger took it out: no slot leads there, nothing names it, its frames are
            // no longer registered, and no stack holds a way into it.
            let given = unsafe { self.memory.free(kind, range.clone()) };
            if let Err(error) = given {
                tracing::warn!(%error, ?range, "memory was not given back");
            }
        }
        for unit in &freed.units {
            lock(&self.process.structors).forget(unit.id);
        }
        // LLVM takes its time to free modules.
        drop(freed.units);
        bytes
    }
}

fn describe(piece: &Retired, holder: Option<Arc<str>>) -> RetiredCode {
    let sizes = piece
        .code
        .iter()
        .map(|code| code.end.get() - code.start.get());
    RetiredCode {
        name: piece.label.clone(),
        size: sizes.sum(),
        holder,
    }
}
