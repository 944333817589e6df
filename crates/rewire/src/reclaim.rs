//! Frees retired code: what no new call enters, once no thread can return into it.
//!
//! ```text
//! in force -> retired: no slot leads to it -> no stack holds a way into it -> quarantined -> free
//! ```
//!
//! Scanning all stacks costs the same for one retired item as for a thousand, so the engine scans
//! when enough has accumulated, or when the client asks. An item that a stack leads into is left
//! for the next scan.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use rewire_memory::ExecAddr;
use rewire_memory::scan::{self, Caller, Unknown};
use rustc_hash::FxHashSet;

use crate::base::events::ReclaimedCode;
use crate::base::ids::UnitKey;
use crate::base::sync::lock;
use crate::compile::client_calls;
use crate::core::{Core, LastLook};
use crate::host::fork_lock;
use crate::host::thread_local;
use crate::ledger::unit::Unit;
use crate::ledger::{Freed, Retired, RetiredItem};
use crate::process::unit_endings;

/// The engine scans without being asked once this many more items, or this many more bytes of code,
/// variables and IR, are retired.
const MANY: usize = 1024;
const MUCH: u64 = 4 << 20;

/// How many times these thresholds are halved for the next scan after one that didn't see all
/// threads; once less after each further such scan in a row.
const SOON: u32 = 4;

/// How often to scan again because destructors have run.
const MOST_LOOKS: usize = 8;

/// Code that was replaced or removed and whose memory isn't freed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetiredCode {
    /// The name of the function or unit.
    pub name: Arc<str>,
    /// The size of its code in bytes.
    pub size: u64,
    /// What still needs it: a thread's stack, a [`Pin`](crate::Pin) or [`Data`](crate::Data), a
    /// change that can be undone, other code. `None` if nothing does, or if it wasn't scanned for
    /// yet.
    pub holder: Option<Arc<str>>,
}

/// The result of reclaiming memory ([`Engine::reclaim`](crate::Engine::reclaim)).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Reclaimed {
    /// The bytes of code that were freed.
    pub bytes: u64,
    /// The retired code that wasn't freed, and why.
    pub left: Vec<RetiredCode>,
    /// The threads and stacks that couldn't be scanned. If there are any, nothing was freed.
    pub unknown: Vec<String>,
    /// The freed code, for the observer.
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
    /// Scans all stacks and frees what no thread can return into, if enough has accumulated.
    pub(crate) fn reclaim_if_much(&self, caller: &Caller) {
        let no_fork = fork_lock::enter_engine();
        let (freed, (pieces, bytes)) = self.tidy();
        self.release_memory(freed);
        let last = self.reclaimer.lock_if_free();
        let Some(mut last) = last else {
            return;
        };
        // What was held at the last scan is likely to be held now, so only further items count. A
        // thread that didn't answer in time is likely to answer the next time.
        let halvings = match last.unfinished {
            0 => 0,
            unfinished => (SOON + 1).saturating_sub(unfinished),
        };
        let (many, much) = (MANY >> halvings, MUCH >> halvings);
        if pieces >= last.pieces + many || bytes >= last.bytes + much {
            let mut ending = Vec::new();
            let (mut reclaimed, freed) = self.reclaim_now(caller, &mut last, &mut ending);
            drop(last);
            reclaimed.bytes = self.release_all(freed);
            drop(no_fork);
            self.tell_reclaimed(&reclaimed);
            // These units are freed after the next scan.
            for unit in ending {
                unit_endings::run(self, &unit);
            }
        }
    }

    /// Reclaims memory after a change. `has_endings`: destructors of a unit wait until no thread is
    /// in the unit, so always scan.
    pub(crate) fn reclaim_after_change(&self, caller: &Caller, has_endings: bool) {
        if has_endings {
            let _ = self.reclaim(caller);
        } else {
            self.reclaim_if_much(caller);
        }
    }

    /// Removes what no thread can be in, without scanning. Returns it, to be released without
    /// locks, and how much else waits, in items and bytes.
    fn tidy(&self) -> (Freed, (usize, u64)) {
        let (copied, freed, waiting) = {
            let mut ledger = self.ledger();
            let freed = ledger.free_names(&self.slots);
            (ledger.take_copied(), freed, ledger.waiting_to_leave())
        };
        for unit in copied {
            unit.free_copies();
        }
        (freed, waiting)
    }

    /// Scans all stacks and frees what no thread can return into.
    pub(crate) fn reclaim(&self, caller: &Caller) -> Reclaimed {
        let mut reclaimed = Reclaimed::default();
        // Destructors may cause more to be removed.
        for _ in 0..MOST_LOOKS {
            let mut ending = Vec::new();
            let again = {
                let _no_fork = fork_lock::enter_engine();
                let mut last = self.reclaimer.lock();
                let (mut again, freed) = self.reclaim_now(caller, &mut last, &mut ending);
                drop(last);
                again.bytes = self.release_all(freed);
                again
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

    /// Tells the observer what was freed. No lock may be held.
    fn tell_reclaimed(&self, reclaimed: &Reclaimed) {
        if let Some(observer) = &self.compile_observer {
            for one in &reclaimed.code {
                observer.reclaimed(one);
            }
        }
    }

    /// Scans, and removes from the ledger what can be freed. Returns that, to be released when the
    /// reclaimer's lock is dropped, because listeners are told first. Units that only wait for
    /// their destructors to run are added to `ending`.
    fn reclaim_now(
        &self,
        caller: &Caller,
        last: &mut LastLook,
        ending: &mut Vec<Arc<Unit>>,
    ) -> (Reclaimed, [Freed; 2]) {
        let (tidied, _) = self.tidy();
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
        // Nothing can reach what the last scan left in quarantine, if nothing does now.
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
        (reclaimed, [tidied, freed])
    }

    /// Frees what a scan removed; returns the number of bytes of code. No lock may be held.
    fn release_all(&self, freed: [Freed; 2]) -> u64 {
        freed.map(|one| self.release_memory(one)).iter().sum()
    }

    /// Returns the retired code that isn't freed.
    pub(crate) fn retired(&self) -> Vec<RetiredCode> {
        let retired = self.ledger().retired(&self.slots, &self.memory);
        retired
            .iter()
            .filter(|piece| piece.is_code())
            .map(|piece| describe(piece, piece.kept_by.clone()))
            .collect()
    }

    /// Keeps units that may be called by destructors which still have to run, after this scan or a
    /// later one.
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

    /// Returns the unit that an item is, if the unit's destructors haven't run.
    fn ending_of(&self, piece: &Retired) -> Option<Arc<Unit>> {
        let RetiredItem::Unit(unit) = piece.what else {
            return None;
        };
        let unit = self.ledger().unit(unit).cloned();
        unit.filter(|unit| unit_endings::has_endings(self, unit))
    }

    /// Tells listeners what was removed from the ledger, and frees it; returns the number of bytes
    /// of code. No lock may be held.
    pub(crate) fn release_memory(&self, freed: Freed) -> u64 {
        if !freed.told.is_empty() {
            client_calls::outside(|| freed.told.iter().for_each(|load| load.tell_unloaded()));
        }
        // Deregister from the unwinder before freeing memory.
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
            // SAFETY: the ledger has removed it: no slot leads there, nothing names it, its frames
            // are no longer registered, and no stack holds a way into it.
            let given = unsafe { self.memory.free(kind, range.clone()) };
            if let Err(error) = given {
                tracing::warn!(%error, ?range, "memory was not given back");
            }
        }
        for unit in &freed.units {
            lock(&self.process.structors).forget(unit.id);
        }
        // Dropped last, because LLVM takes long to free modules.
        drop(freed.units);
        bytes
    }
}

/// Frees what it can, because a region of memory is full. Destructors that wait for a scan aren't
/// run, because this thread is linking something: they wait for the next one.
pub(crate) fn make_room(core: &Core) {
    let caller = Caller::here();
    // What a scan frees is quarantined until the next.
    for _ in 0..2 {
        let (reclaimed, freed) = {
            let mut last = core.reclaimer.lock();
            core.reclaim_now(&caller, &mut last, &mut Vec::new())
        };
        core.release_all(freed);
        core.tell_reclaimed(&reclaimed);
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
