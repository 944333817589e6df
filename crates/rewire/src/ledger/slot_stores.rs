//! All stores to slots, each with its reason.
//!
//! The only other code that changes a slot's words is the assembly of the first-call entry, which
//! takes a body that waits for the call (`rewire-memory/src/entry.rs`). Slots are stored with the
//! ledger's lock held, so that the order of the stores is the order of the ledger's states.

use rewire_memory::{SlotId, Slots};

use crate::base::addresses::{BodyAddr, CanonicalAddr};

/// The new target of a slot, and the reason.
#[derive(Clone, Copy, Debug)]
pub(super) enum SlotStore {
    /// The body of the definition in force: at once, or, if the body was compiled ahead, from the
    /// first call on.
    Body { start: BodyAddr, is_ahead: bool },
    /// The definition in force, even if a body waits for the first call.
    Present(BodyAddr),
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
        SlotStore::Body { start, is_ahead } => {
            return slots.store_body(slot, start.addr(), is_ahead);
        }
        SlotStore::Present(to) | SlotStore::Given(to) => slots.store_target(slot, to.addr()),
        SlotStore::Import(to) => slots.store_target(slot, to.addr()),
        SlotStore::Engine => slots.store_engine(slot),
        SlotStore::TakeReady => return slots.take_ready(slot).is_some(),
        SlotStore::Free => return slots.free(slot),
        SlotStore::EngineForEver => slots.store_engine_for_ever(slot),
    }
    false
}
