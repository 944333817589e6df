//! What a library's units use and nothing defines, so that an archive's members are picked for it.

use rewire_llvm::Linkage;

use super::{Definition, Ledger, LibraryId};

/// What an archive's definition of a name would be picked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Nothing: the name is defined, or no unit needs it.
    Nothing,
    /// A unit uses the name, and nothing defines it.
    Definition,
    /// The name has common memory; a definition with a value takes its place.
    Value,
}

impl Ledger {
    /// Returns what a definition of a name would be picked for.
    pub(crate) fn want(&mut self, library: LibraryId, name: &str) -> Want {
        let Some(id) = self.find(library, name) else {
            return Want::Nothing;
        };
        let entry = self.entry(id);
        if matches!(entry.definition(), Definition::Ir(..)) && entry.linkage() == Linkage::Common {
            return Want::Value;
        }
        if entry.definition() != Definition::None || entry.is_present() {
            return Want::Nothing;
        }
        let is_needed = entry.mentioned().any(|(unit, ordinal)| {
            let unit = self.unit(unit);
            let global = unit.and_then(|unit| unit.index.globals.get(ordinal.index()));
            global.is_some_and(|one| !one.is_definition && one.linkage != Linkage::ExternWeak)
        });
        match is_needed && !self.import(id) {
            true => Want::Definition,
            false => Want::Nothing,
        }
    }
}
