//! Labels: the names that inline assembly defines, and the local names of module-level assembly.
//!
//! The ledger learns of labels only when their code is compiled, and most are never named
//! elsewhere. So linking records where labels are. A label becomes the definition of its name when
//! the name is asked for and nothing else defines it. From then on it is treated like a definition
//! in module-level assembly: it stays where it is, with the code around it, as long as the name
//! stands for it.

use std::sync::Arc;

use rewire_memory::{ExecAddr, Slots};

use super::label_places::Label;
use super::slot_stores::{SlotStore, store};
use super::unit::Unit;
use super::{BlockId, Definition, EntryId, EntryKind, Ledger, PlacedDefinition, Standing, State};
use crate::base::addresses::BodyAddr;
use crate::base::ids::UnitKey;

impl Ledger {
    /// Records a label of a block: whether it is global, and whether it is in a function.
    pub(crate) fn note_label(
        &mut self,
        name: &str,
        block: BlockId,
        at: ExecAddr,
        (is_global, is_in_function): (bool, bool),
    ) {
        let label = Label {
            block,
            at,
            is_global,
            is_in_function,
        };
        self.labels.entry(name.into()).or_default().push(label);
        if let Some(block) = self.blocks.get_mut(block) {
            block.has_labels = true;
        }
    }

    /// Forgets the labels of a block that is removed, or whose code is.
    pub(super) fn forget_labels(&mut self, block: BlockId) {
        if self.blocks.get(block).is_some_and(|it| it.has_labels) {
            self.labels.retain(|_, labels| {
                labels.retain(|label| label.block != block);
                !labels.is_empty()
            });
        }
    }

    /// Makes a name that nothing defines stand for a label, if there is one: a global label of a
    /// library that is searched for the name, or a label of a unit that names it (possibly `from`).
    pub(crate) fn bind_label(&mut self, id: EntryId, from: Option<UnitKey>, slots: &Slots) -> bool {
        let entry = self.entry(id);
        if entry.definition != Definition::None || entry.is_present() {
            return true;
        }
        let Some(Label { block, at, .. }) = self.label_of_name(id, from) else {
            return false;
        };
        let Some(known) = self.blocks.get_mut(block) else {
            return false;
        };
        let unit = known.unit;
        // A function that begins at the same address comes first.
        let place = known
            .definitions
            .partition_point(|one| one.start.addr() < at);
        let defined = PlacedDefinition {
            entry: id,
            start: BodyAddr::new(at),
            size: 0,
            is_live: false,
            is_continuation: false,
            frame: None,
        };
        known.definitions.insert(place, defined);
        self.renumber(block);
        self.set_placed(id, block, Some(place));
        if let Some(record) = self.record_mut(unit) {
            record.has_labels = true;
        }
        let entry = self.entry_mut(id);
        entry.definition = Definition::Assembly(unit);
        entry.generation = entry.generation.next();
        entry.has_escaped = true;
        entry.is_removed = false;
        let at = BodyAddr::new(at);
        entry.state = State::Present(at);
        if entry.kind == EntryKind::Unknown {
            entry.kind = EntryKind::Data;
        }
        if let Some(slot) = entry.slot {
            store(slots, slot, SlotStore::Given(at));
        }
        true
    }

    fn label_of_name(&self, id: EntryId, from: Option<UnitKey>) -> Option<Label> {
        let entry = self.entry(id);
        let known = self.labels.get(&entry.name)?;
        // Labels of what has left aren't found, although the code may still be in memory.
        let unit_of = |label: &Label| {
            let block = self.block(label.block)?;
            let is_in_force = block.live > 0 || !label.is_in_function;
            let record = self.record(block.unit)?;
            let stands = matches!(
                record.standing,
                Standing::UntilRemoved | Standing::WhileInForce
            );
            (stands && is_in_force).then_some(&record.unit)
        };
        let names_it = |unit: &Arc<Unit>| from == Some(unit.id) || unit.entries.contains(&Some(id));
        let own = known
            .iter()
            .find(|label| unit_of(label).is_some_and(names_it));
        let is_seen = |label: &&Label| {
            let unit = unit_of(label);
            label.is_global && unit.is_some_and(|it| self.searches(entry.library, it.library))
        };
        own.or_else(|| known.iter().find(is_seen)).copied()
    }

    /// Returns the units whose functions may have labels that a name could stand for.
    pub(crate) fn units_with_labels_for(&self, id: EntryId) -> Vec<Arc<Unit>> {
        let library = self.entry(id).library;
        let mut units = self.units();
        units.retain(|unit| self.searches(library, unit.library));
        units
    }
}
