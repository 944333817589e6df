//! Translates a file's section and symbol indices into the ids of the graph.

use crate::graph::{
    LinkGraph, Symbol, SymbolBinding, SymbolId, SymbolKind, SymbolPlace, Visibility,
};

/// Marks an index of the file that has no counterpart in the graph.
pub(crate) const ABSENT: u32 = u32::MAX;

/// The entry at an index, if there is one that isn't [`ABSENT`].
pub(crate) fn present(ids: &[u32], index: usize) -> Option<u32> {
    ids.get(index).copied().filter(|id| *id != ABSENT)
}

/// The id of each of the file's symbol indices.
pub(crate) struct SymbolIds {
    pub(crate) ids: Vec<u32>,
}

impl SymbolIds {
    /// The symbol with this index in the file.
    ///
    /// Relocations without a symbol refer to number 0, whose value is 0 (gABI, "Relocation"). It
    /// enters the graph when it is first used, which is rare: assemblers do it for numbers.
    #[inline]
    pub(crate) fn get(&mut self, index: u32, graph: &mut LinkGraph<'_>) -> Option<SymbolId> {
        match self.ids.get(index as usize) {
            Some(&id) if id != ABSENT => Some(SymbolId(id)),
            _ if index == 0 => Some(self.add_null(graph)),
            _ => None,
        }
    }

    #[cold]
    fn add_null(&mut self, graph: &mut LinkGraph<'_>) -> SymbolId {
        let id = graph.symbols.len() as u32;
        graph.symbols.push(Symbol {
            name: "",
            binding: SymbolBinding::Local,
            kind: SymbolKind::None,
            visibility: Visibility::Default,
            place: SymbolPlace::Absolute(0),
            size: 0,
            elf_index: 0,
        });
        match self.ids.first_mut() {
            Some(first) => *first = id,
            // A file without a symbol table.
            None => self.ids.push(id),
        }
        SymbolId(id)
    }
}
