//! Objects that have their memory and aren't published yet.

use std::ops::Range;

use rewire_memory::unwind::UnwindRegistration;
use rewire_memory::{ExecAddr, RegionKind, Reserved};
use rewire_object::{
    Bindings, Extent, Image, Layout, Placement, SectionRole, Segment, SymbolId, SymbolPlace,
};
use smallvec::SmallVec;

use super::definition::LinkedDefinition;
use super::resolve::Parsed;
use crate::base::error::Error;
use crate::core::Core;

/// `int3`, which lies between pieces of code.
const CODE_PADDING: u8 = 0xcc;

/// One object with its place and its bytes, not yet seen by anybody.
pub(crate) struct Staged<'m> {
    pub(crate) bindings: Bindings,
    pub(crate) layout: Layout,
    pub(crate) placement: Placement,
    /// The definitions that will stand for their names, and where.
    pub(crate) definitions: SmallVec<[LinkedDefinition; 2]>,
    /// What was taken for each segment, in the order of [`Segment::ALL`].
    pub(crate) memory: SmallVec<[Reserved<'m>; 3]>,
    /// Where the memory ends that was taken for the code and, right behind it, the read-only
    /// segment.
    pub(crate) joined_end: Option<ExecAddr>,
    pub(crate) image: Image,
    /// What makes its frames known to the unwinder, once it is published.
    pub(crate) unwind: Option<UnwindRegistration>,
}

/// The value of a symbol that isn't an address in the object.
pub(super) fn absolute(parsed: &Parsed<'_>, symbol: SymbolId) -> Option<ExecAddr> {
    match parsed.graph.symbol(symbol)?.place {
        SymbolPlace::Absolute(value) => Some(ExecAddr::new(value)),
        _ => None,
    }
}

/// Gives memory back in the reverse order of taking it.
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
        // The pieces of a named section, which come first in their batch and hold nothing else,
        // are taken one after the other, so that they lie together.
        let is_piece = parsed.object.section.is_some();
        let memory = &core.memory;
        let mut code = self.layout.extent(Segment::Code);
        let mut read_only = self.layout.extent(Segment::ReadOnly);
        let behind = code.size.next_multiple_of(read_only.align.max(1));
        let is_joined = !is_piece && code.size > 0 && self.holds_only_frames(parsed);
        if is_joined {
            code.align = code.align.max(read_only.align);
            // Of one length with what comes next.
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

    /// Whether the read-only segment is small and holds the descriptions of the code's frames and
    /// nothing else. Then it is written together with the code, in one system call; it comes and
    /// goes with it. No constant of the program is ever executable.
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

    /// Puts the bytes that lie behind the code behind its bytes.
    pub(super) fn join(&mut self) {
        if self.joined_end.is_some() {
            let behind = self.placement.read_only.offset_from(self.placement.code);
            let image = &mut self.image;
            image.code.resize(behind as usize, CODE_PADDING);
            image.code.extend_from_slice(&image.read_only);
        }
    }

    /// Writes the fixed-up bytes to their places.
    pub(super) fn write(&mut self) -> Result<(), Error> {
        let images = [&self.image.code, &self.image.read_only, &self.image.data];
        for (memory, bytes) in self.memory.iter_mut().zip(images) {
            // What was joined is written with the code.
            if memory.size() > 0 {
                memory.write(bytes)?;
            }
        }
        Ok(())
    }

    /// Where a segment lies. The code has what fills the gap behind it, where the read-only segment
    /// follows.
    pub(crate) fn range(&self, segment: Segment) -> Range<ExecAddr> {
        let start = self.placement.segment(segment);
        let size = self.layout.extent(segment).size;
        match segment {
            Segment::Code if self.joined_end.is_some() => start..self.placement.read_only,
            Segment::ReadOnly => start..self.joined_end.unwrap_or(start + size),
            _ => start..start + size,
        }
    }

    /// Where the object's definition of a symbol lies, or the value that it has anywhere.
    pub(crate) fn address(&self, parsed: &Parsed<'_>, symbol: SymbolId) -> Option<ExecAddr> {
        if let Some(value) = absolute(parsed, symbol) {
            return Some(value);
        }
        let (segment, offset) = self.layout.symbol_offset(symbol)?;
        Some(self.placement.segment(segment) + offset)
    }
}
