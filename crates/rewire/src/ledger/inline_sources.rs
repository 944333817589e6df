//! Inline sources: IR whose bodies may be inlined, and whose machine code lives elsewhere: in the
//! host, or in a shared library.
//!
//! A source defines no name. It describes functions that nothing in the engine defines; once
//! something does, or the client gives such a name another address, the description doesn't count
//! any more.

use std::sync::Arc;

use rewire_llvm::{GlobalState, Module, ModuleIndex, Ordinal, Source};
use rewire_memory::Slots;

use super::inline_source::InlineSource;
use super::unit::{Inherited, Unit, UnitPlace};
use super::{Definition, EntryId, EntryKind, Ledger, LibraryId, Standing};
use crate::base::ids::{UnitId, UnitKey};

impl Ledger {
    /// Adds an inline source to a library.
    pub(crate) fn add_inline_source(
        &mut self,
        source: Source,
        module: Module,
        index: ModuleIndex,
        library: LibraryId,
    ) {
        let place = UnitPlace {
            library,
            is_frozen: false,
            standing: Standing::UntilRemoved,
        };
        let id = UnitId::new(self.engine, UnitKey::default());
        let (entries, inherited) = (Vec::new(), Inherited::default());
        let unit = Unit::new(id, source, Some(module), index, entries, place, inherited);
        for (ordinal, global) in unit.index.numbered() {
            if global.is_definition {
                let state = GlobalState {
                    elected: true,
                    placed: true,
                };
                unit.set_state(ordinal, state);
            }
        }
        let sources = &mut self.namespace_mut(library).inline_sources;
        sources.push(Arc::new(InlineSource::new(unit)));
    }

    /// Returns the inline sources of a library.
    pub(crate) fn inline_sources(&self, library: LibraryId) -> &[Arc<InlineSource>] {
        &self.namespace(library).inline_sources
    }

    /// Returns the body that an inline source of this library, or of the name's own, has for a
    /// function.
    pub(crate) fn described_outside(
        &self,
        id: EntryId,
        library: LibraryId,
    ) -> Option<(Arc<InlineSource>, Ordinal)> {
        if !self.may_be_described(id) {
            return None;
        }
        let entry = self.entry(id);
        let libraries = [library, entry.library];
        let sources = libraries.iter().flat_map(|one| self.inline_sources(*one));
        let mut found = sources.filter_map(|source| {
            let ordinal = source.function(&entry.name)?;
            Some((source.clone(), ordinal))
        });
        found.next()
    }

    /// Whether a name stands for a function of the host's or the client's, and always has.
    pub(crate) fn may_be_described(&self, id: EntryId) -> bool {
        let entry = self.entry(id);
        matches!(entry.definition, Definition::None | Definition::Absolute)
            && matches!(entry.kind, EntryKind::Function | EntryKind::Unknown)
            && entry.generation.get() == 0
            && !entry.is_removed
    }

    /// Drops the code that holds copies of what inline sources describe, because a unit that was
    /// added defines it.
    pub(crate) fn drop_described(&mut self, unit: &Unit, slots: &Slots) {
        let defined = unit.entries.iter().flatten().copied();
        let defined: Vec<EntryId> = defined
            .filter(|id| {
                let entry = self.entry(*id);
                !entry.inliners.is_empty() && entry.elected.is_some_and(|one| one.0 == unit.id)
            })
            .collect();
        for id in defined {
            self.note_copies_stale(id);
            for holder in self.inliners(id) {
                self.set_stale(holder, slots);
            }
        }
    }

    /// Has loops leave copies of what an inline source describes, because a change has defined it.
    pub(crate) fn leave_described(&self, id: EntryId) {
        self.note_copies_stale(id);
    }
}
