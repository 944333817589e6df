//! Describes a linked object for a [`LinkObserver`](crate::LinkObserver).

use rewire_memory::ExecAddr;
use rewire_object::{Binding, SectionRole, Segment};

use super::{Parsed, Staged};
use crate::base::link_observer::{LinkRecord, RecordedUse};
use crate::core::Core;
use crate::ledger::{Ledger, LinkedBlock};

/// Reads the bytes of an object from the memory that they were written to. Once its slots are
/// stored, other threads may run its code and write to its variables.
pub(super) fn read_memory(core: &Core, one: &Staged<'_>) -> Vec<(ExecAddr, Vec<u8>)> {
    let memory = Segment::ALL.into_iter().filter_map(|segment| {
        let start = one.placement.segment(segment);
        let size = one.layout.extent(segment).size as usize;
        Some((start, core.memory.read_bytes(start, size)?))
    });
    memory.collect()
}

impl LinkRecord {
    /// Describes an object whose bytes were read before it was published.
    pub(crate) fn new(
        ledger: &Ledger,
        parsed: &Parsed<'_>,
        one: &mut Staged<'_>,
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
                Binding::Tied(address) => Binding::Foreign {
                    address,
                    call: one.address(parsed, id).unwrap_or_default(),
                },
                binding => binding,
            };
            (symbol.elf_index, symbol.name.to_owned(), binding)
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
        let (sections, symbols) = (sections.collect(), symbols.collect());
        Self {
            object: parsed.object.bytes.clone(),
            sections,
            symbols,
            memory: std::mem::take(&mut one.observed),
            uses: uses.collect(),
        }
    }
}
