//! Names that inline assembly defines: which functions to compile for them.
//!
//! A name that nothing defines may be a label in some function's assembly, whose body nobody has
//! read yet. Only then are bodies read for it, each unit's once.

use crate::base::error::Error;
use crate::base::ids::UnitKey;
use crate::core::Core;
use crate::ledger::EntryId;

impl Core {
    /// Has a name that neither a unit nor the outside defines stand for a label, if some function
    /// has it; whether there was one. `from` is a unit that names it, if that is known;
    /// `compile` has a function compiled that may have it.
    pub(crate) fn find_label(
        &self,
        id: EntryId,
        from: Option<UnitKey>,
        compile: impl Fn(EntryId),
    ) -> Result<bool, Error> {
        let (name, units) = {
            let mut ledger = self.ledger();
            if ledger.bind_label(id, from, &self.slots) {
                return Ok(true);
            }
            let entry = ledger.entry(id);
            // Whoever names it so can do without.
            if entry.name.is_empty() || entry.linkage == rewire_llvm::Linkage::ExternWeak {
                return Ok(false);
            }
            (entry.name.clone(), ledger.units_with_labels_for(id))
        };
        for unit in units {
            for function in unit.labelled(&name) {
                let Some(function) = unit.entry(function) else {
                    continue;
                };
                compile(function);
                if self.ledger().bind_label(id, from, &self.slots) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}
