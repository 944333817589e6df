//! All stores to slots, each with its reason.
//!
//! The only other code that changes a slot's words is the assembly of the first-call entry, which
//! takes a body that waits for the call (`rewire-memory/src/entry.rs`). Slots are stored with the
//! ledger's lock held, so that the order of the stores is the order of the ledger's states.

use rewire_memory::{ExecAddr, SlotId, Slots};

use crate::base::addresses::{BodyAddr, CanonicalAddr};

/// The new target of a slot, and the reason.
#[derive(Clone, Copy, Debug)]
pub(super) enum SlotStore {
    /// The body of the definition in force: at once, or, if the body was compiled ahead, from the
    /// first call on.
    Body {
        start: BodyAddr,
        is_ahead: bool,
        /// After how many calls the engine is to be called, if calls are counted.
        counted: Option<u32>,
    },
    /// The definition in force, even if a body waits for the first call.
    Present {
        start: BodyAddr,
        /// As above.
        counted: Option<u32>,
    },
    /// The definition of another entry, which the name imports.
    Import(CanonicalAddr),
    /// What the host, the client or assembly defines under the name.
    Given(BodyAddr),
    /// The engine: the definition has left, or is about to change.
    Engine,
    /// The target stays; only the body that waits for the first call is taken, because another
    /// replaces it or because the call is being counted.
    TakeReady,
    /// None: the slot is freed, because no code knows it any more.
    Free,
    /// The engine, until the name is defined again: the address was given out (a tombstone).
    EngineForEver,
}

/// Stores to a slot. Returns whether a body waits (or waited) for the first call. The only caller
/// of the slots' transitions.
pub(super) fn store(slots: &Slots, slot: SlotId, store: SlotStore) -> bool {
    tracing::trace!(slot = slot.index(), ?store);
    match store {
        SlotStore::Body {
            start,
            is_ahead,
            counted,
        } => {
            let to = counting(slots, slot, start, counted);
            let waits = slots.store_body(slot, to, is_ahead);
            stop_counting(slots, slot, counted);
            return waits;
        }
        SlotStore::Present { start, counted } => {
            slots.store_target(slot, counting(slots, slot, start, counted));
            stop_counting(slots, slot, counted);
        }
        SlotStore::Given(to) => {
            slots.store_target(slot, to.addr());
            slots.stop_counting(slot);
        }
        SlotStore::Import(to) => {
            slots.store_target(slot, to.addr());
            slots.stop_counting(slot);
        }
        SlotStore::Engine => {
            slots.store_engine(slot);
            slots.stop_counting(slot);
        }
        SlotStore::TakeReady => return slots.take_ready(slot).is_some(),
        SlotStore::Free => return slots.free(slot),
        SlotStore::EngineForEver => slots.store_engine_for_ever(slot),
    }
    false
}

/// Where a slot has to lead for calls of a body: to its counting stub if they are counted. Without
/// memory for one, calls aren't counted.
fn counting(slots: &Slots, slot: SlotId, body: BodyAddr, counted: Option<u32>) -> ExecAddr {
    let counting = counted.and_then(|calls| slots.count_calls(slot, body.addr(), calls).ok());
    counting.unwrap_or(body.addr())
}

/// Leads threads that are in the counting stub past a former body.
fn stop_counting(slots: &Slots, slot: SlotId, counted: Option<u32>) {
    if counted.is_none() {
        slots.stop_counting(slot);
    }
}
