//! Units that are object files.
//!
//! An object file is linked once, as a whole. Of what other units define too, it keeps its own
//! copies, which nothing uses as long as those definitions are in force.

use std::sync::Arc;

use rewire_memory::Slots;

use super::unit::Unit;
use super::{BlockId, Definition, EntryId, Ledger, Located};
use crate::base::addresses::BodyAddr;

impl Ledger {
    /// Returns the block of an object file that is linked.
    fn block_of_file(&self, unit: &Unit) -> Option<BlockId> {
        unit.tables.get()?;
        let record = self.record(unit.id)?;
        let mut blocks = record.blocks.iter().copied();
        blocks.find(|id| self.block(*id).is_some_and(|block| block.is_file))
    }

    /// Puts the definitions of an object file that is linked in force for the names that have come
    /// to stand for them since. Returns these; `None` if the file isn't linked.
    pub(crate) fn take_copies_of_file(
        &mut self,
        unit: &Arc<Unit>,
        slots: &Slots,
    ) -> Option<Vec<(EntryId, BodyAddr)>> {
        let block = self.block_of_file(unit)?;
        let definitions = self.block(block)?.definitions.iter().enumerate();
        let idle = definitions.filter(|(_, one)| {
            let entry = self.entry(one.entry);
            let is_own = matches!(entry.definition(), Definition::Ir(by, _) if by == unit.id);
            is_own && !one.is_live && !entry.is_present()
        });
        let idle: Vec<_> = idle
            .map(|(place, one)| (place, one.entry, one.start))
            .collect();
        for (place, entry, start) in &idle {
            self.set_present(*entry, Located::At(*start));
            self.set_placed(*entry, block, Some(*place));
            self.set_counted_calls(*entry, None);
            self.lead_to_body(*entry, *start, false, slots);
        }
        let taken = idle.into_iter();
        Some(taken.map(|(_, entry, start)| (entry, start)).collect())
    }

    /// Whether another unit's COMDAT group of this name counts.
    pub(crate) fn has_other_group(&self, unit: &Unit, signature: &str) -> bool {
        let comdats = &self.namespace(unit.library).comdats;
        comdats.get(signature).is_some_and(|by| *by != unit.id)
    }
}
