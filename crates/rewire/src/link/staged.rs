//! [`Staged`]: an object that has memory and isn't published yet.

use std::ops::Range;

use rewire_memory::unwind::UnwindRegistration;
use rewire_memory::{ExecAddr, RegionKind, Reserved};
use rewire_object::{
    Binding, Bindings, Extent, Image, Layout, Placement, SectionRole, Segment, SymbolId,
    SymbolPlace,
};
use smallvec::SmallVec;

use super::definition::{DefinitionKind, LinkedDefinition};
use super::resolve::Parsed;
use super::view::View;
use crate::base::addresses::BodyAddr;
use crate::base::error::Error;
use crate::base::object_index::Numbering;
use crate::base::told_load::ToldLoad;
use crate::core::Core;
use crate::host::thread_local;
use crate::ledger::{Definition, Entry, EntryId, EntryKind};

/// The byte that fills gaps in code (`int3`).
const CODE_PADDING: u8 = 0xcc;

/// An object with its memory and its fixed-up bytes, which no other thread sees yet.
pub(crate) struct Staged<'m> {
    pub(crate) bindings: Bindings,
    pub(crate) layout: Layout,
    pub(crate) placement: Placement,
    /// The definitions that will be put in force, and their addresses.
    pub(crate) definitions: SmallVec<[LinkedDefinition; 2]>,
    /// The module of the object's thread-local variables, if it has any.
    pub(crate) thread_module: Option<u64>,
    /// The memory reserved for each segment, in the order of [`Segment::ALL`].
    pub(crate) memory: SmallVec<[Reserved<'m>; 3]>,
    /// If the read-only segment lies right behind the code, in the same reservation: the end of
    /// that reservation.
    pub(crate) joined_end: Option<ExecAddr>,
    pub(crate) image: Image,
    /// The registration of its frames with the unwinder, once it is published.
    pub(crate) unwind: Option<UnwindRegistration>,
    /// The listeners that were told of it.
    pub(crate) told: Option<Box<ToldLoad>>,
    /// For an observer: the bytes in memory before other threads could run or change them.
    pub(crate) observed: Vec<(ExecAddr, Vec<u8>)>,
}

/// The value of a symbol that is absolute rather than an address in the object.
pub(super) fn absolute(parsed: &Parsed<'_>, symbol: SymbolId) -> Option<ExecAddr> {
    match parsed.graph.symbol(symbol)?.place {
        SymbolPlace::Absolute(value) => Some(ExecAddr::new(value)),
        _ => None,
    }
}

/// Frees the memory of staged objects in the reverse order of reserving it, unless they are
/// published.
pub(super) struct StagedUndo<'m>(pub(super) Vec<Staged<'m>>);

impl Drop for StagedUndo<'_> {
    fn drop(&mut self) {
        while let Some(mut one) = self.0.pop() {
            while one.memory.pop().is_some() {}
        }
    }
}

impl<'m> Staged<'m> {
    pub(super) fn reserve(&mut self, core: &'m Core, parsed: &Parsed<'_>) -> Result<(), Error> {
        // The parts of a named section come first in their batch and hold nothing else. They are
        // allocated one after the other, so that they are placed side by side.
        let is_piece = parsed.object.section.is_some();
        let memory = &core.memory;
        let mut code = self.layout.extent(Segment::Code);
        let mut read_only = self.layout.extent(Segment::ReadOnly);
        let behind = code.size.next_multiple_of(read_only.align.max(1));
        let is_joined = !is_piece && code.size > 0 && self.holds_only_frames(parsed);
        if is_joined {
            code.align = code.align.max(read_only.align);
            // Rounded up, so that the next allocation follows without a gap.
            code.size = (behind + read_only.size).next_multiple_of(code.align);
            self.image.code = Vec::with_capacity(code.size as usize);
            read_only.size = 0;
        }
        let mut place = |segment, extent: Extent| -> Result<ExecAddr, Error> {
            let kind = RegionKind::of(segment);
            let taken = if is_piece {
                memory.allocate_at_end(kind, extent.size, extent.align)?
            } else {
                memory.allocate(kind, extent.size, extent.align)?
            };
            let start = taken.start();
            self.memory.push(taken);
            Ok(start)
        };
        self.placement = Placement {
            code: place(Segment::Code, code)?,
            read_only: place(Segment::ReadOnly, read_only)?,
            data: place(Segment::Data, self.layout.extent(Segment::Data))?,
        };
        if is_joined {
            self.placement.read_only = self.placement.code + behind;
            self.joined_end = Some(self.placement.code + code.size);
        }
        Ok(())
    }

    /// Whether the read-only segment is small and holds only the descriptions of the code's frames.
    /// Then it is written together with the code, in one system call, and comes and goes with the
    /// code. No constant of the program is ever executable.
    fn holds_only_frames(&self, parsed: &Parsed<'_>) -> bool {
        const SMALL: u64 = 1024;
        let size = self.layout.extent(Segment::ReadOnly).size;
        let mut sections = parsed.graph.section_ids().filter(|(id, _)| {
            let place = self.layout.section_offset(*id);
            place.is_some_and(|(segment, _)| segment == Segment::ReadOnly)
        });
        (1..=SMALL).contains(&size)
            && sections.all(|(_, section)| section.role == SectionRole::EhFrame)
            && self.layout.got_entries().next().is_none()
    }

    /// Appends the joined read-only bytes to the code's bytes.
    pub(super) fn join(&mut self) {
        if self.joined_end.is_some() {
            let behind = self.placement.read_only.offset_from(self.placement.code);
            let image = &mut self.image;
            image.code.resize(behind as usize, CODE_PADDING);
            image.code.extend_from_slice(&image.read_only);
        }
    }

    /// Writes the fixed-up bytes to their addresses.
    pub(super) fn write(&mut self) -> Result<(), Error> {
        let images = [&self.image.code, &self.image.read_only, &self.image.data];
        for (memory, bytes) in self.memory.iter_mut().zip(images) {
            // A joined segment is written with the code.
            if memory.size() > 0 {
                memory.write(bytes)?;
            }
        }
        Ok(())
    }

    /// Returns the range of a segment. If the read-only segment follows the code, the code's range
    /// includes the gap in between.
    pub(crate) fn range(&self, segment: Segment) -> Range<ExecAddr> {
        let start = self.placement.segment(segment);
        let size = self.layout.extent(segment).size;
        match segment {
            Segment::Code if self.joined_end.is_some() => start..self.placement.read_only,
            Segment::ReadOnly => start..self.joined_end.unwrap_or(start + size),
            _ => start..start + size,
        }
    }

    /// Binds an object file's own thread-local symbols, and notes its copies of what other units
    /// define.
    pub(super) fn locate_file(&mut self, view: &View<'_, '_>, parsed: &Parsed<'_>) {
        let unit = &parsed.object.unit;
        let numbering = Numbering::new(&parsed.graph);
        for (symbol, ordinal) in numbering.unnamed(&unit.own_copies()) {
            if let Some(entry) = unit.entry(ordinal)
                && view.needs_memory(entry)
                && view.entry(entry).kind() == EntryKind::Function
            {
                self.push_body(parsed, symbol, entry, DefinitionKind::Body);
            }
        }
        for (id, symbol) in parsed.graph.symbol_ids() {
            let SymbolPlace::Defined { section, offset } = symbol.place else {
                continue;
            };
            let meaning = parsed.meaning(id);
            let Some(start) = self.layout.thread_offset(section) else {
                // Other names of a function have no body of their own.
                let is_other_name = |entry| {
                    let entry: &Entry = view.entry(entry);
                    let is_own = entry.elected().is_some_and(|one| one.0 == unit.id);
                    is_own && !matches!(entry.definition(), Definition::Ir(..))
                };
                if let Some(meaning) = meaning
                    && !meaning.is_owner
                    && !is_other_name(meaning.entry)
                {
                    self.push_body(parsed, id, meaning.entry, DefinitionKind::Spare);
                }
                continue;
            };
            if meaning.is_none() {
                let module = self
                    .thread_module
                    .get_or_insert_with(thread_local::new_module);
                let bound = Binding::Thread {
                    module: *module,
                    offset: start.wrapping_add(offset),
                };
                self.bindings.set(id, bound);
            }
        }
    }

    fn push_body(
        &mut self,
        parsed: &Parsed<'_>,
        symbol: SymbolId,
        entry: EntryId,
        kind: DefinitionKind,
    ) {
        let size = parsed.graph.symbol(symbol).map_or(0, |symbol| symbol.size);
        self.definitions.push(LinkedDefinition {
            entry,
            start: BodyAddr::new(self.address(parsed, symbol).unwrap_or_default()),
            size,
            frame: None,
            kind,
        });
    }

    /// Returns the address of a symbol's definition in the object, or its absolute value.
    pub(crate) fn address(&self, parsed: &Parsed<'_>, symbol: SymbolId) -> Option<ExecAddr> {
        if let Some(value) = absolute(parsed, symbol) {
            return Some(value);
        }
        let (segment, offset) = self.layout.symbol_offset(symbol)?;
        Some(self.placement.segment(segment) + offset)
    }
}
