//! The live address of each relocation.

use crate::addr::ExecAddr;
use crate::bind::{Binding, Bindings};
use crate::fixup::Placement;
use crate::graph::{LinkGraph, SectionId, SymbolId};
use crate::layout::Layout;
use crate::relax;
use crate::reloc::RelocKind;

/// One place in linked memory that depends on a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// The symbol.
    pub symbol: SymbolId,
    /// The address of the field. Where the instruction around it was rewritten (a `jmp` through
    /// the GOT made direct), still the address that the relocation names.
    pub at: ExecAddr,
    /// The kind of the relocation.
    pub kind: RelocKind,
    /// The section that holds the field.
    pub section: SectionId,
    /// The instruction called or jumped through the word of a
    /// [`FixedSlot`](Binding::FixedSlot), and goes to the function directly.
    pub is_direct: bool,
}

/// All relocations of kept sections at their addresses, section by section in the order of
/// offsets. GOT entries aren't among them ([`Layout::got_entries`]), and neither are relocations
/// of thread-local sections, which have no address of their own. Costs O(relocations).
pub fn sites<'a>(
    graph: &'a LinkGraph<'_>,
    bindings: &'a Bindings,
    layout: &'a Layout,
    placement: &'a Placement,
) -> impl Iterator<Item = Site> + 'a {
    let placed = graph.section_ids().filter_map(|(id, section)| {
        let (segment, offset) = layout.section_offset(id)?;
        Some((id, section, placement.segment(segment) + offset))
    });
    placed.flat_map(move |(id, section, start)| {
        section.relocations.iter().map(move |relocation| Site {
            symbol: relocation.symbol,
            at: start + relocation.offset,
            kind: relocation.kind,
            section: id,
            is_direct: match bindings[relocation.symbol] {
                Binding::FixedSlot { function, .. } => {
                    relax::is_direct(section, relocation, start + relocation.offset, function)
                }
                _ => false,
            },
        })
    })
}
