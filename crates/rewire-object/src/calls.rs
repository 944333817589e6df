//! Which symbols are functions, as far as the way tells in which an object uses them.

use crate::graph::LinkGraph;
use crate::relax;

/// The symbols that an object only calls, by their numbers: whatever refers to such a symbol is a
/// direct call or jump, or one through the symbol's GOT entry. Costs O(relocations).
#[must_use]
pub fn called_symbols(graph: &LinkGraph<'_>) -> Vec<bool> {
    let mut called = vec![false; graph.symbols.len()];
    let mut otherwise = vec![false; graph.symbols.len()];
    for section in &graph.sections {
        for relocation in &section.relocations {
            let kind = match relax::is_call(section, relocation) {
                true => &mut called,
                false => &mut otherwise,
            };
            if let Some(one) = kind.get_mut(relocation.symbol.index()) {
                *one = true;
            }
        }
    }
    let both = called.iter().zip(&otherwise);
    both.map(|(called, otherwise)| *called && !otherwise)
        .collect()
}
