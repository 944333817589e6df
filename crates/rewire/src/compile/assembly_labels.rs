//! Finds names that inline assembly defines, and compiles the functions that contain them.
//!
//! A name that nothing defines may be a label in the inline assembly of a function whose body
//! wasn't read yet. Bodies are read only in this case, and those of each unit once.

use crate::base::error::Error;
use crate::base::ids::UnitKey;
use crate::core::Core;
use crate::ledger::EntryId;

impl Core {
    /// Makes a name that neither a unit nor the outside defines stand for a label, if some function
    /// has one of this name; returns whether one has. `from` is a unit that names it, if one is
    /// known. `compile` is called to compile a function that may have the label.
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
            // An unnamed or `extern_weak` name may stay undefined.
            if entry.name().is_empty() || entry.linkage() == rewire_llvm::Linkage::ExternWeak {
                return Ok(false);
            }
            (entry.name().clone(), ledger.units_with_labels_for(id))
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
