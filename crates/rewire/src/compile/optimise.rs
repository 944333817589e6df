//! Compiles hot functions again, at full optimisation, while the program runs.
//!
//! A function of the first tier is hot once it was called often ([`crate::ledger::Ledger`] has its
//! calls counted). If there are compile threads, one of them compiles it; otherwise the thread that
//! found it does so at once. The new body takes the place of the former one by one store to the
//! slot, and the former one is retired.

use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Instant;

use rewire_memory::signals::FaultSignalsUnblocked;
use rewire_memory::{ExecAddr, SlotId};

use crate::base::addresses::BodyAddr;
use crate::base::error::Error;
use crate::base::events::Why;
use crate::base::tier::Tier;
use crate::base::tier_events::{TierDecision, TierStep};
use crate::core::Core;
use crate::core::tiers::{HotFunction, HotLoop};
use crate::ledger::{AskingBody, Definition, EntryId, LoopWords};
use crate::link::Purpose;

/// A hot function that this thread compiles again. Dropping this ends that, whatever became of it,
/// so that nobody waits for it.
struct UnderWay<'c> {
    core: &'c Core,
    hot: HotFunction,
}

/// What a loop's word is while the loop waits for a continuation: so many passes below 0. The loop
/// is told when there is one, but counting is no atomic step, and may overwrite what it is told.
const WHILE_UNANSWERED: i32 = -(1 << 20);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.core.tiers.is_done(self.hot);
        self.core.changed.notify_all();
    }
}

impl Core {
    /// Called when a function was called often.
    pub(crate) fn called_often(&self, slot: SlotId) {
        if !self.may_optimise() {
            self.ledger().count_again(slot, &self.slots);
            return;
        }
        let (entry, definition, may_compile_here) = {
            let mut ledger = self.ledger();
            let Some((entry, definition)) = ledger.take_hot(slot, &self.slots) else {
                return;
            };
            // In a handler, this thread may hold locks that compiling needs.
            (entry, definition, !ledger.runs_in_handlers(entry))
        };
        if !may_compile_here && (self.tiers.stress.is_some() || !self.workers.are_there()) {
            return;
        }
        if self.tiers.stress.is_some() {
            return self.stress(entry, definition);
        }
        let calls = self.tiers.hot.calls;
        self.tell_tier(entry, || TierStep::Hot { calls });
        self.request(HotFunction {
            entry,
            definition,
            hot_loop: None,
        });
    }

    /// Whether something may be compiled again now: by a compile thread, or, if the program has run
    /// long, by this one.
    fn may_optimise(&self) -> bool {
        self.workers.are_there() && self.tiers.may_begin() || self.tiers.may_wait()
    }

    /// Tells the observer of a decision.
    fn tell_tier(&self, id: EntryId, step: impl FnOnce() -> TierStep) {
        let Some(observer) = &self.compile_observer else {
            return;
        };
        let function = self.ledger().entry(id).label().into();
        observer.tier_decided(&TierDecision {
            function,
            step: step(),
            at: Instant::now(),
        });
    }

    /// Compiles a hot function again, unless it was changed since it was found to be hot.
    pub(crate) fn optimise_hot(&self, hot: HotFunction) {
        let _under_way = UnderWay { core: self, hot };
        let begun = Instant::now();
        let head = hot.hot_loop.map(|one| one.head);
        match self.try_optimise(hot) {
            Ok(true) => self.tell_tier(hot.entry, || TierStep::Optimised {
                head,
                took: begun.elapsed(),
            }),
            Ok(false) => self.tell_tier(hot.entry, || TierStep::Outdated),
            // The program goes on with the body that it has.
            Err(error) => {
                if let Some(one) = hot.hot_loop {
                    self.ledger().silence_loop(one.word);
                }
                self.tell_tier(hot.entry, || TierStep::Failed {
                    reason: error.to_string().into(),
                });
            }
        }
    }

    /// Compiles all hot functions again, and waits for the threads that do so already.
    pub(crate) fn settle(&self) {
        while let Some(hot) = self.tiers.take() {
            self.optimise_hot(hot);
        }
        let mut ledger = self.ledger();
        while !self.tiers.are_settled() {
            ledger = self.changed.wait(ledger, || self.ledger());
        }
    }

    /// Returns whether the function has the new body; if not, it was changed meanwhile.
    fn try_optimise(&self, hot: HotFunction) -> Result<bool, Error> {
        let unit = {
            let ledger = self.ledger();
            let entry = ledger.entry(hot.entry);
            match (entry.definition(), entry.is_present()) {
                (Definition::Ir(unit, ordinal), true) if entry.definition() == hot.definition => {
                    ledger.unit(unit).map(|unit| (unit.clone(), ordinal))
                }
                _ => None,
            }
        };
        let Some((unit, ordinal)) = unit else {
            return Ok(false);
        };
        let purpose = match hot.hot_loop {
            None => Purpose::Improve(hot.entry),
            Some(one) => Purpose::Continue(hot.entry, one.head),
        };
        let why = || match hot.hot_loop {
            None => Why::Hot,
            Some(one) => Why::HotLoop { head: one.head },
        };
        let frame = hot.hot_loop.and_then(|one| one.frame);
        let work = || self.rebuild(&unit, ordinal, self.tiers.best(), purpose, frame);
        let linked = self.observed(&unit, &[ordinal], why, work)?;
        if let Some(one) = hot.hot_loop {
            self.ledger().wake_loop(one.word);
        }
        Ok(linked.body_of(hot.entry).is_some())
    }

    /// Called when the check at the head of a loop has struck, in the code that the call returns
    /// to. Returns the continuation in which the loop goes on; `None` if it goes on where it is.
    pub(crate) fn continue_loop(
        &self,
        returns_to: ExecAddr,
        head: u32,
        word: &AtomicI32,
    ) -> Option<BodyAddr> {
        let inside = returns_to.checked_add_signed(-1)?;
        let body = self.ledger().asking_body(inside)?;
        match body.tier {
            Tier::Quick => self.continue_hot_loop(&body, head, word),
            Tier::Optimised(_) | Tier::Fixed(_) => {
                let continuation = self.continue_stale_loop(&body, head);
                if continuation.is_none() {
                    word.store(0, Ordering::Relaxed);
                }
                continuation
            }
        }
    }

    /// A quick body asks because a loop is hot: it gets an optimised continuation, as soon as there
    /// is one. If the passes were spread over many calls, it is the function that is hot, and the
    /// loop is counted anew: only a call that takes long needs a continuation.
    fn continue_hot_loop(
        &self,
        body: &AskingBody,
        head: u32,
        word: &AtomicI32,
    ) -> Option<BodyAddr> {
        word.store(WHILE_UNANSWERED, Ordering::Relaxed);
        // In a handler, this thread may hold locks that compiling needs.
        if !self.workers.are_there() && self.ledger().runs_in_handlers(body.entry) {
            return None;
        }
        if !body.is_in_force && !self.compile_dropped(body) {
            return None;
        }
        // Another body of the function may make this one needless: the one that calls enter, or one
        // that begins at another loop of the same call.
        if !self.may_optimise() || self.tiers.is_under_way(body.entry) {
            self.count_anew(word);
            return None;
        }
        let (definition, calls) = {
            let ledger = self.ledger();
            let entry = ledger.entry(body.entry);
            let left = entry.slot().and_then(|slot| self.slots.calls_left(slot));
            (entry.definition(), left)
        };
        if let Some(continuation) = self.optimised_continuation(body, head) {
            LoopWords::strike(word);
            if self.tiers.is_left_again(body.entry, head) {
                self.request_for_loops(body.entry, calls);
            }
            return Some(continuation);
        }
        if self.tiers.is_spread_over_calls(body.entry, calls) {
            self.count_anew(word);
            self.request_for_loops(body.entry, calls);
            return None;
        }
        let hot_loop = HotLoop {
            head,
            frame: body.frame,
            word: (body.block, ExecAddr::new((&raw const *word) as u64)),
        };
        let passes = self.tiers.hot.loop_passes;
        self.tell_tier(body.entry, || TierStep::HotLoop { head, passes });
        self.request(HotFunction {
            entry: body.entry,
            definition,
            hot_loop: Some(hot_loop),
        });
        self.optimised_continuation(body, head)
    }

    /// Compiles a function again whose definition is in force and whose code was dropped, since it
    /// held a copy of what was replaced: a loop that has left that code may run for ever. Returns
    /// whether the function has code.
    fn compile_dropped(&self, body: &AskingBody) -> bool {
        let definition = self.ledger().entry(body.entry).definition();
        let _open = FaultSignalsUnblocked::begin();
        definition == Definition::Ir(body.unit.id, body.ordinal)
            && self.materialize(body.entry, None).is_ok()
    }

    /// Has a function compiled again because many of its calls spend long in loops, unless that was
    /// done.
    fn request_for_loops(&self, id: EntryId, calls_left: Option<i32>) {
        let hot = {
            let mut ledger = self.ledger();
            let slot = ledger.entry(id).slot();
            slot.and_then(|slot| ledger.take_hot(slot, &self.slots))
        };
        let Some((entry, definition)) = hot else {
            return;
        };
        let calls = self.tiers.calls_made(calls_left);
        let passes = self.tiers.hot.loop_passes;
        self.tell_tier(entry, || TierStep::HotInLoops { calls, passes });
        self.request(HotFunction {
            entry,
            definition,
            hot_loop: None,
        });
    }

    fn optimised_continuation(&self, body: &AskingBody, head: u32) -> Option<BodyAddr> {
        self.ledger().continuation(body.entry, body.key(head, true))
    }

    /// Has a loop ask again after as many passes as at first.
    fn count_anew(&self, word: &AtomicI32) {
        let passes = i32::try_from(self.tiers.loop_passes()).unwrap_or(i32::MAX);
        word.store(-passes, Ordering::Relaxed);
    }

    /// Has a hot function compiled by a compile thread, or, without any, by this one.
    fn request(&self, hot: HotFunction) {
        self.tiers.push(hot);
        if self.workers.are_there() {
            self.wake_compile_thread();
        } else if let Some(hot) = self.tiers.take() {
            // Only while LLVM works: the program may be waiting for such a signal.
            let _open = FaultSignalsUnblocked::begin();
            self.optimise_hot(hot);
        }
    }

    /// An optimised body asks because it holds a copy of a function that was replaced: it gets a
    /// continuation that calls the function.
    fn continue_stale_loop(&self, body: &AskingBody, head: u32) -> Option<BodyAddr> {
        let tier = self.tiers.first;
        if body.is_in_force
            && let Some(known) = self
                .ledger()
                .continuation(body.entry, body.key(head, tier.is_optimised()))
        {
            return Some(known);
        }
        let purpose = Purpose::Continue(body.entry, head);
        let _open = FaultSignalsUnblocked::begin();
        let why = || Why::StaleLoop { head };
        let work = || self.rebuild(&body.unit, body.ordinal, tier, purpose, body.frame);
        match self.observed(&body.unit, &[body.ordinal], why, work) {
            Ok(linked) => {
                self.tell_tier(body.entry, || TierStep::LeftCopy { head });
                linked.body_of(body.entry)
            }
            Err(error) => {
                self.tell_tier(body.entry, || TierStep::Failed {
                    reason: error.to_string().into(),
                });
                None
            }
        }
    }
}
