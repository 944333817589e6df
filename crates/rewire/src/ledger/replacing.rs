//! Names that get other definitions while the program runs.
//!
//! A change is planned first: which name will stand for what. Everything is compiled and linked
//! according to the plan, while the ledger still says what it said; then the names move over in
//! one step, under the lock, and their slots with them. A thread that calls one of several
//! functions and then another never meets the new one first and the old one then: all slots lead
//! to the engine, which waits for the lock, before the first one leads to a new body.

use std::collections::HashMap;

use rewire_llvm::Ordinal;
use rewire_memory::Slots;
use rustc_hash::{FxBuildHasher, FxHashSet};

use super::{Definition, EntryId, Former, Given, Ledger, State, ThreadKey};
use crate::ids::UnitKey;

/// What a name will stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) unit: UnitKey,
    pub(crate) ordinal: Ordinal,
    /// What becomes of the memory of a variable that the name stood for.
    pub(crate) memory: Heritage,
}

/// What a variable's new definition gets of the former one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heritage {
    /// Nothing: it has memory of its own, with its initial value.
    Nothing,
    /// The value, in memory of its own.
    Value,
    /// The memory, and so the value.
    Memory,
}

impl Target {
    /// Whether the variable stays where it is.
    pub(crate) fn keeps_memory(&self) -> bool {
        self.memory == Heritage::Memory
    }
}

/// What names will stand for, once a change is committed.
#[derive(Debug, Default)]
pub(crate) struct Planned {
    /// In the order of the change.
    pub(crate) order: Vec<EntryId>,
    pub(crate) targets: HashMap<EntryId, Target, FxBuildHasher>,
    /// Names that stand again for what isn't of IR.
    pub(crate) given: Vec<(EntryId, Given)>,
    /// Names whose definitions leave.
    pub(crate) withdrawn: Names,
    /// Those of them that assembly of a unit which leaves defines, and that of this unit defines
    /// anew.
    pub(crate) assembly: HashMap<EntryId, UnitKey, FxBuildHasher>,
    /// Functions whose machine code leaves, to be made again when they are called.
    pub(crate) stale: Names,
    /// Units that leave.
    pub(crate) leaving: Vec<UnitKey>,
    /// Names whose former definitions lose them to another file's, rather than to a new version.
    pub(crate) overridden: FxHashSet<EntryId>,
    /// It can be undone: what names stood for is kept.
    pub(crate) is_remembered: bool,
    /// New code isn't let in before objects that it needs are constructed.
    pub(crate) is_gated: bool,
    /// All objects are destroyed and made anew meanwhile.
    pub(crate) renews_objects: bool,
}

/// Names, each once, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Names {
    order: Vec<EntryId>,
    all: FxHashSet<EntryId>,
}

impl Names {
    /// Whether it is new.
    pub(crate) fn insert(&mut self, id: EntryId) -> bool {
        let is_new = self.all.insert(id);
        if is_new {
            self.order.push(id);
        }
        is_new
    }

    pub(crate) fn contains(&self, id: EntryId) -> bool {
        self.all.contains(&id)
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, EntryId> {
        self.order.iter()
    }
}

impl Planned {
    /// The names that get another definition, or none.
    fn changed(&self) -> impl Iterator<Item = &EntryId> + Clone {
        let given = self.given.iter().map(|(id, _)| id);
        self.order.iter().chain(self.withdrawn.iter()).chain(given)
    }

    /// The functions whose machine code leaves and that get no other definition.
    fn only_stale(&self) -> impl Iterator<Item = &EntryId> + Clone {
        let is_only = |id: &&EntryId| !self.targets.contains_key(*id);
        self.stale.iter().filter(is_only)
    }

    /// The names whose new code will be called.
    pub(super) fn arriving(&self) -> impl Iterator<Item = &EntryId> + Clone {
        self.order.iter().chain(self.only_stale())
    }

    /// Has a name stand for something else.
    pub(crate) fn set(&mut self, id: EntryId, target: Target) {
        if self.targets.insert(id, target).is_none() {
            self.order.push(id);
        }
    }

    /// Where a name's definition will be, if the change says so.
    pub(crate) fn definition(&self, id: EntryId) -> Option<Definition> {
        let target = self.targets.get(&id)?;
        Some(Definition::Ir(target.unit, target.ordinal))
    }
}

impl Ledger {
    /// Marks names as this thread's to change, all or none; the answer is the first that another
    /// thread is changing.
    pub(crate) fn claim_names(&mut self, ids: &[EntryId]) -> Result<(), EntryId> {
        let me = ThreadKey::mine();
        let is_taken = |id: &&EntryId| self.entry(**id).changing.is_some();
        if let Some(taken) = ids.iter().find(is_taken) {
            return Err(*taken);
        }
        for id in ids {
            self.entry_mut(*id).changing = Some(me);
        }
        Ok(())
    }

    /// Whether this thread is changing a name.
    pub(crate) fn is_mine(&self, id: EntryId) -> bool {
        self.entry(id).changing == Some(ThreadKey::mine())
    }

    /// Leaves names to others again.
    pub(crate) fn release_names(&mut self, ids: &[EntryId]) {
        let me = ThreadKey::mine();
        for id in ids {
            let entry = self.entry_mut(*id);
            if entry.changing == Some(me) {
                entry.changing = None;
                self.note_if_over(*id);
            }
        }
    }

    /// To be called before the slots of new bodies are stored, by the same hold of the lock as
    /// [`Ledger::move_over`]: from here on, none of several functions is called by its former body.
    pub(crate) fn hold_back(&mut self, planned: &Planned, slots: &Slots) {
        if planned.is_gated {
            self.close_gate(planned);
        }
        let all = planned.changed().chain(planned.only_stale());
        let mut several = planned.is_gated || all.clone().count() > 1;
        for id in all {
            let entry = self.entry(*id);
            let Some(slot) = entry.slot else { continue };
            // One function alone moves by one store, when its body is entered.
            several |= !entry.is_present();
            slots.take_ready(slot);
            if several {
                slots.reset(slot);
            }
        }
    }

    /// Moves the names over to what was planned, once the slots of new bodies are stored; these are
    /// entered afterwards, by the same hold of the lock. The answer is what is needed to undo it.
    ///
    /// `arriving` are the functions whose new bodies are entered.
    pub(crate) fn move_over(
        &mut self,
        planned: &Planned,
        arriving: &FxHashSet<EntryId>,
        slots: &Slots,
    ) -> Vec<Former> {
        let mut former = Vec::new();
        for id in planned.changed() {
            former.push(self.note_former(*id, planned));
        }
        for id in &planned.order {
            let loser = self.entry(*id).elected;
            self.move_one(*id, planned.targets[id], arriving.contains(id), slots);
            if let Some(loser) = loser.filter(|_| planned.overridden.contains(id)) {
                self.note_overridden(*id, loser);
            }
        }
        for (id, given) in &planned.given {
            self.give_again(*id, given, slots);
        }
        for id in planned.withdrawn.iter() {
            self.withdraw(*id, slots);
        }
        for (id, unit) in &planned.assembly {
            let entry = self.entry_mut(*id);
            entry.definition = Definition::Assembly(*unit);
            entry.generation = entry.generation.next();
            entry.is_removed = false;
        }
        for id in planned.only_stale() {
            self.set_stale(*id, slots);
        }
        for unit in &planned.leaving {
            self.withdraw_unit(*unit, planned.is_remembered);
        }
        former
    }

    /// The machine code of a function leaves; it is made again when the function is called.
    pub(crate) fn set_stale(&mut self, id: EntryId, slots: &Slots) {
        let entry = self.entry(id);
        if !entry.is_replaceable() || !entry.is_present() {
            return;
        }
        let slot = entry.slot;
        self.set_dead(id);
        let entry = self.entry_mut(id);
        entry.state = State::Absent;
        entry.is_ahead = false;
        self.tell_unplaced(id);
        if let Some(slot) = slot {
            slots.reset(slot);
        }
    }

    fn move_one(&mut self, id: EntryId, target: Target, arrives: bool, slots: &Slots) {
        let Some(unit) = self.unit(target.unit).cloned() else {
            return;
        };
        let (state, placed) = {
            let entry = self.entry(id);
            (entry.state.clone(), entry.placed)
        };
        if !target.keeps_memory() {
            self.set_aside(id);
            self.set_dead(id);
        }
        let before = self.set_in_force(&unit, target.ordinal, id);
        self.entry_mut(id).is_ahead = false;
        if target.keeps_memory() {
            let entry = self.entry_mut(id);
            entry.placed = placed;
            self.set_present(id, state);
        } else if let Some(slot) = self.entry(id).slot
            && !arrives
        {
            // That of an alias leads to what it stands for.
            slots.reset(slot);
        }
        if let Some((unit, _)) = before {
            if let Some(record) = self.record_mut(unit) {
                record.is_superseded = true;
            }
            self.leave_if_idle(unit);
        }
    }
}
