//! For checks: everything that was linked, as it stands in memory.

use rewire_memory::ExecAddr;
use rewire_object::{Binding, RelocKind, SectionRole, Segment};

use crate::core::Core;
use crate::ledger::{Block, Ledger};
use crate::link::{Parsed, Staged};

/// Is told of everything that the engine links.
pub trait LinkObserver: Send + Sync {
    /// Called after an object was published, by the thread that linked it, with no lock held.
    fn linked(&self, record: &LinkRecord);
}

/// One linked object.
#[derive(Clone, Debug)]
pub struct LinkRecord {
    /// The object's bytes, as code generation wrote them.
    pub object: Vec<u8>,
    /// The section index of each kept section, with its address.
    pub sections: Vec<(usize, ExecAddr)>,
    /// The symbols: index, name, and what each was bound to.
    pub symbols: Vec<(usize, String, Binding)>,
    /// The bytes as they are in memory, with their address.
    pub memory: Vec<(ExecAddr, Vec<u8>)>,
    /// What the ledger says of the uses in this object.
    pub uses: Vec<RecordedUse>,
}

/// A use, as the ledger knows it.
#[derive(Clone, Debug)]
pub struct RecordedUse {
    /// The name that is used.
    pub name: String,
    /// The symbol's index in the object.
    pub symbol: usize,
    /// The address of the field.
    pub at: ExecAddr,
    /// The relocation's kind.
    pub kind: RelocKind,
}

impl LinkRecord {
    pub(crate) fn new(
        core: &Core,
        ledger: &Ledger,
        parsed: &Parsed<'_>,
        one: &Staged<'_>,
        block: &Block,
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
                // The file says how much memory, and not where.
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
            name: ledger.entry(used.entry).name.to_string(),
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
