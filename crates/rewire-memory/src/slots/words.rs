//! The two words of a function, its slot and its ready word, and who may change them how.
//!
//! A slot that leads to the engine holds one of two addresses in its stub:
//!
//! - **new** (`stub + 8`, the call of the engine): it has never led anywhere. Only then can the
//!   first call complete without the engine: it takes the body out of the ready word (`xchg`) and
//!   puts it in the slot if that is still new (`cmpxchg`).
//! - **again** (`stub + 6`, two bytes of nothing before the call): it led somewhere, or might
//!   have, and leads to the engine again.
//!
//! A first call may be interrupted between its two steps, with a body in a register that was
//! replaced and removed meanwhile. Because a slot never goes back to *new*, its second step fails
//! then, and it goes where the slot leads. Without the difference, it would find the slot as it
//! was, and publish the removed body.
//!
//! Everything here but the first call's two steps is done by one thread at a time for each
//! function (the engine's lock); compiled code may read the slot and take the short path at any
//! time.

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::store_release;

/// Where a slot that leads to the engine again points, from the stub's start.
const AGAIN: u64 = 6;
/// Where a new slot points, from the stub's start.
pub(super) const NEW: u64 = 8;

/// Whether a slot with this stub leads to the engine.
pub(crate) fn leads_to_engine(target: u64, stub: u64) -> bool {
    let offset = target.wrapping_sub(stub);
    offset == NEW || offset == AGAIN
}

/// The words of one function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words<'w> {
    slot: &'w AtomicU64,
    ready: &'w AtomicU64,
    stub: u64,
}

impl<'w> Words<'w> {
    pub(crate) fn new(slot: &'w AtomicU64, ready: &'w AtomicU64, stub: u64) -> Self {
        Self { slot, ready, stub }
    }

    /// Makes the slot new. No thread may be between the two steps of a first call.
    pub(crate) fn store_new(self) {
        store_release(self.ready, 0);
        store_release(self.slot, self.stub + NEW);
    }

    /// Makes calls go to the engine again.
    pub(crate) fn store_engine(self) {
        store_release(self.ready, 0);
        store_release(self.slot, self.stub + AGAIN);
    }

    pub(crate) fn target(self) -> u64 {
        self.slot.load(Ordering::Acquire)
    }

    /// Makes calls go to a body from now on. Release orders the body's bytes before.
    pub(crate) fn store_target(self, body: u64) {
        store_release(self.slot, body);
    }

    /// Makes calls go to a body: at once, or, if it was made ahead, by the first call. Whether a
    /// first call will go there without the engine.
    pub(crate) fn store_body(self, given: &mut bool, body: u64, is_ahead: bool) -> bool {
        if is_ahead && self.store_ready(given, body) {
            return true;
        }
        // What was made ahead for a slot that leads to the engine again is found by the engine. A
        // slot that is still new must not stay so: a first call has got the former body.
        if !is_ahead || self.target() != self.stub + AGAIN {
            self.store_target(body);
        }
        false
    }

    /// Leaves a body for the first call; `false`, and nothing done, unless the slot is new and no
    /// first call has got a body that was left before. `given` tells whether one was left since
    /// the slot was made new, and not taken back.
    pub(crate) fn store_ready(self, given: &mut bool, body: u64) -> bool {
        if self.target() != self.stub + NEW {
            return false;
        }
        // A first call that has got a former body may still store it.
        if *given && self.take_ready(given).is_none() {
            return false;
        }
        *given = true;
        store_release(self.ready, body);
        true
    }

    /// Takes the body that was left for the first call, unless one has got it.
    pub(crate) fn take_ready(self, given: &mut bool) -> Option<u64> {
        let taken = self.ready.swap(0, Ordering::AcqRel);
        if taken == 0 {
            return None;
        }
        *given = false;
        Some(taken)
    }

    /// The short path of a first call, step by step as `entry.rs` has it in assembly; whether it
    /// took a body. If not, the call goes on to the engine. If it did, it goes back to the stub,
    /// and where the slot leads from there.
    #[cfg(all(test, loom))]
    pub(crate) fn short_path(self) -> bool {
        // cmp qword ptr [ready], 0
        if self.ready.load(Ordering::Relaxed) == 0 {
            return false;
        }
        // xchg [ready], rax
        let body = self.ready.swap(0, Ordering::AcqRel);
        if body == 0 {
            return false;
        }
        // lock cmpxchg [slot], rdx
        let (new, order) = (self.stub + NEW, Ordering::AcqRel);
        let _ = self
            .slot
            .compare_exchange(new, body, order, Ordering::Acquire);
        true
    }
}
