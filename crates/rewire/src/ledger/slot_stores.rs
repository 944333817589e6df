//! The stores to slots: all of them are here, each with its reason.
//!
//! Only two others change a slot's words: the first call's assembly, which takes a body that waits
//! for it (`rewire-memory/src/entry.rs`), and nobody else. A slot is stored with the ledger's lock
//! held, so that the order of the stores is that of what the ledger says.

use rewire_memory::{SlotId, Slots};

use crate::base::addresses::{BodyAddr, CanonicalAddr};

/// Where a slot leads from now on, and why.
#[derive(Clone, Copy, Debug)]
pub(super) enum SlotStore {
    /// To the body of the definition in force; if it was made ahead, once it is called.
    Body { start: BodyAddr, is_ahead: bool },
    /// To the definition in force, whatever waits for the first call.
    Present(BodyAddr),
    /// To what another entry stands for: the name is imported.
    Import(CanonicalAddr),
    /// To what the host, the client or assembly has under the name.
    Given(BodyAddr),
    /// To the engine: the definition has left, or will be another when the names have moved.
    Engine,
    /// Where it leads already: only the body that waits for the first call doesn't any more,
    /// because another takes its place or the call is being counted.
    TakeReady,
    /// To nobody: no code knows the slot any more.
    Free,
    /// To the engine for ever, unless the name is defined again: somebody may know the address.
    EngineForEver,
}

/// Stores a slot; whether a body waits for the first call, or waited for it. The only caller of the
/// slots' transitions.
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
