//! Construction gates: keep other threads out of new code while the objects that it needs are still
//! being constructed.
//!
//! The slots of the names behind a gate lead to the engine. The thread that constructs calls the
//! new bodies. Other threads call the former bodies, or wait where there is none. So no thread uses
//! an object before it is constructed, and a constructor that waits for another thread finds that
//! thread running.

use rewire_memory::{ExecAddr, Slots};
use rustc_hash::FxHashMap;

use super::closed_name::ConstructionGate;
use super::slot_stores::{SlotStore, store};
use super::{EntryId, EntryKind, Ledger, PlannedNames, State, ThreadKey};
use crate::base::addresses::BodyAddr;

/// Which body a caller of a function gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// No gate: the target of the slot.
    Open,
    /// The new body; the slot stays as it is, because the caller is the constructing thread.
    Within,
    /// The former body.
    Former(BodyAddr),
    /// None until the gate is opened: the caller waits.
    Wait,
}

impl Ledger {
    /// Closes a gate for the functions that a change replaces, before the change is put in force.
    pub(super) fn close_gate(&mut self, planned: &PlannedNames) {
        let mut gate = ConstructionGate {
            constructing: ThreadKey::mine(),
            former: FxHashMap::default(),
            pinned: Vec::new(),
            is_for_insiders: planned.renews_objects,
        };
        for id in planned.arriving() {
            let entry = self.entry(*id);
            if entry.kind != EntryKind::Function {
                continue;
            }
            let body = match (&entry.state, entry.placed) {
                (State::Present(address), Some((block, _))) => Some((*address, block)),
                _ => None,
            };
            if let Some((_, block)) = body
                && let Some(known) = self.block_mut(block)
            {
                known.pins += 1;
                gate.pinned.push(block);
            }
            gate.former.insert(*id, body.map(|it| it.0));
        }
        self.gates.push(gate);
    }

    /// Opens the gate that this thread closed last.
    pub(crate) fn open_gate(&mut self, slots: &Slots) {
        let me = ThreadKey::mine();
        let mine = self.gates.iter().rposition(|gate| gate.constructing == me);
        if let Some(place) = mine {
            let gate = self.gates.swap_remove(place);
            self.let_in(&gate, slots);
        }
    }

    /// Opens the gates of other threads, in a forked child, where those threads don't exist.
    pub(crate) fn open_gates_of_others(&mut self, slots: &Slots) {
        let me = ThreadKey::mine();
        let (kept, others) = std::mem::take(&mut self.gates)
            .into_iter()
            .partition(|gate| gate.constructing == me);
        self.gates = kept;
        let others: Vec<ConstructionGate> = others;
        for gate in &others {
            self.let_in(gate, slots);
        }
    }

    fn let_in(&mut self, gate: &ConstructionGate, slots: &Slots) {
        for block in &gate.pinned {
            if let Some(block) = self.block_mut(*block) {
                block.pins -= 1;
            }
        }
        for id in gate.former.keys() {
            let entry = self.entry(*id);
            if let (Some(slot), State::Present(address)) = (entry.slot, &entry.state)
                && !self.is_gated(*id)
            {
                let body = SlotStore::Present {
                    start: *address,
                    counted: entry.counted_calls,
                };
                store(slots, slot, body);
            }
        }
    }

    /// Whether the function is behind a gate, so its slot has to lead to the engine.
    pub(crate) fn is_gated(&self, id: EntryId) -> bool {
        self.gates.iter().any(|gate| gate.former.contains_key(&id))
    }

    /// Returns which body this thread gets when it calls a function, given the return address of
    /// the call.
    pub(crate) fn admission(&self, id: EntryId, returns_to: ExecAddr) -> Admission {
        let Some(gate) = self.gates.iter().find(|gate| gate.former.contains_key(&id)) else {
            return Admission::Open;
        };
        if gate.constructing == ThreadKey::mine() {
            return Admission::Within;
        }
        let former = gate.former.get(&id).copied().flatten();
        match former {
            Some(body) if !gate.is_for_insiders || self.is_leaving_at(returns_to) => {
                Admission::Former(body)
            }
            _ => Admission::Wait,
        }
    }

    /// Whether a return address is in code of a unit that leaves.
    fn is_leaving_at(&self, returns_to: ExecAddr) -> bool {
        let inside = returns_to.checked_add_signed(-1);
        let found = inside.and_then(|inside| self.definition_at(inside));
        let unit = found.and_then(|(block, _)| Some(self.block(block)?.unit));
        let record = unit.and_then(|unit| self.record(unit));
        record.is_some_and(|record| record.has_left())
    }
}
