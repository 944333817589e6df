//! Describes a linked object for a [`LinkObserver`](crate::LinkObserver).

use rewire_object::{Binding, SectionRole, Segment};

use super::{Parsed, Staged};
use crate::base::link_observer::{LinkRecord, RecordedUse};
use crate::core::Core;
use crate::ledger::{Ledger, LinkedBlock};

impl LinkRecord {
    pub(crate) fn new(
        core: &Core,
        ledger: &Ledger,
        parsed: &Parsed<'_>,
        one: &Staged<'_>,
        block: &LinkedBlock,
    ) -> Self {
        let graph = &parsed.graph;
        let is_in_file = |role| role != SectionRole::Common;
        let sections = graph.section_ids().filter(|it| is_in_file(it.1.role));
        let sections = sections.filter_map(|(id, section)| {
            let (segment, offset) = one.layout.section_offset(id)?;
            Some((section.elf_index, one.placement.segment(segment) + offset))
        });
        let symbols = graph.symbol_ids().map(|(id, symbol)| {
            let binding = match one.bindings[id] {
                // For common symbols, the object file gives the size but no address.
                Binding::Own if graph.is_common(id) => {
                    Binding::Address(one.address(parsed, id).unwrap_or_default())
                }
                binding => binding,
            };
            (symbol.elf_index, symbol.name.to_owned(), binding)
        });
        let memory = Segment::ALL.into_iter().filter_map(|segment| {
            let start = one.placement.segment(segment);
            let size = one.layout.extent(segment).size as usize;
            Some((start, core.memory.read_bytes(start, size)?))
        });
        let uses = block.uses.iter().map(|used| RecordedUse {
            name: ledger.entry(used.entry).name().to_string(),
            symbol: graph
                .symbols
                .get(used.symbol as usize)
                .map_or(0, |symbol| symbol.elf_index),
            at: used.at,
            kind: used.kind,
        });
        Self {
            object: parsed.object.bytes.clone(),
            sections: sections.collect(),
            symbols: symbols.collect(),
            memory: memory.collect(),
            uses: uses.collect(),
        }
    }
}
