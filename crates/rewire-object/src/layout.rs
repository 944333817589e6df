//! Where each section goes, and what else the object needs.
//!
//! A layout is final: the sizes of the segments, the offsets of all sections and the GOT entries
//! follow from it, whatever the addresses will be. So memory can be reserved for exactly what is
//! needed, and fixing up writes each byte once.
//!
//! ```text
//! code:       executable sections, [jump to null]
//! read-only:  constant sections, GOT
//! data:       initialised sections | zero-filled sections (not written)
//! thread:     initialised sections | zero-filled sections (not written)
//! ```
//!
//! Within each part, sections keep the order that they have in the object.

use std::ops::Range;

use smallvec::{SmallVec, smallvec};

use crate::addr::ExecAddr;
use crate::bind::{Binding, Bindings};
use crate::error::LinkError;
use crate::got::{Got, GotBuilder, GotKind};
use crate::graph::{FEW, LinkGraph, SectionId, Segment, SymbolId, SymbolPlace};
use crate::relax::Nearness;
use crate::reloc::{Formula, RelocKind};

/// How far apart two places can be that a 32-bit displacement is certain to span, in bytes. The
/// rest is for addends and for the distance between a field and the end of its instruction.
const MAX_DISTANCE: u64 = Segment::MAX_SIZE - 64;

/// The instructions that a `PLT32` call to null leads to: `xor %eax, %eax; jmp *%rax`. It faults
/// at address 0, as it does where code can reach 0.
pub(crate) const NULL_JUMP: [u8; 4] = [0x31, 0xc0, 0xff, 0xe0];

/// The size of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Bytes in all, the zero-filled ones at the end included.
    pub size: u64,
    /// Bytes to be written, from the start.
    pub filled: u64,
    /// The alignment that the segment's start needs, in bytes: a power of two.
    pub align: u64,
}

impl Default for Extent {
    fn default() -> Self {
        Self {
            size: 0,
            filled: 0,
            align: 1,
        }
    }
}

/// One entry of the object's GOT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GotEntry {
    /// The symbol that it is for.
    pub symbol: SymbolId,
    /// The segment that it lies in.
    pub segment: Segment,
    /// Its offset in that segment, in bytes.
    pub offset: u64,
    /// What it holds.
    pub kind: GotKind,
}

/// Where a section goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SectionPlace {
    Discarded,
    Segment(Segment, u64),
    Thread(u64),
}

/// Where each kept section of a graph goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    extents: [Extent; 3],
    thread: Extent,
    /// For each section of the graph.
    places: SmallVec<[SectionPlace; FEW]>,
    /// For each symbol of the graph, where the object defines it.
    pub(crate) symbols: SmallVec<[Option<(Segment, u64)>; FEW]>,
    /// The filled sections of each segment, in the order of their offsets.
    pub(crate) filled: [SmallVec<[SectionId; FEW]>; 3],
    /// The thread-local sections, initialised ones first, in the order of their offsets.
    thread_sections: Vec<SectionId>,
    pub(crate) got: Got,
    /// Offset in the code segment of [`NULL_JUMP`].
    pub(crate) null_jump: Option<u64>,
    /// What is certain of each symbol's address; empty where nothing depends on it.
    pub(crate) nearness: SmallVec<[Nearness; FEW]>,
    pub(crate) reach: Range<ExecAddr>,
}

impl Layout {
    /// Lays out the sections that `discard` doesn't name.
    ///
    /// `reach` is the range of addresses in which every segment of every object will lie. What it
    /// spans decides where a load from the GOT can be replaced: see [`link`](crate::link()),
    /// which insists on it. Costs O(sections + symbols + relocations).
    ///
    /// # Errors
    ///
    /// A segment of 2 GiB or more; a relocation that needs a GOT entry for a symbol whose binding
    /// doesn't fit; bindings that are of another graph.
    pub fn new(
        graph: &LinkGraph<'_>,
        bindings: &Bindings,
        discard: impl Fn(SectionId) -> bool,
        reach: Range<ExecAddr>,
    ) -> Result<Self, LinkError> {
        if bindings.len() != graph.symbols.len() {
            return Err(LinkError::Inconsistent {
                object: graph.name.clone(),
                reason: "the bindings are not those of the object's symbols",
            });
        }
        let mut layout = Self {
            extents: Default::default(),
            thread: Extent::default(),
            places: smallvec![SectionPlace::Discarded; graph.sections.len()],
            symbols: SmallVec::new(),
            filled: Default::default(),
            thread_sections: Vec::new(),
            got: Default::default(),
            null_jump: None,
            nearness: SmallVec::new(),
            reach,
        };
        let kept: SmallVec<[bool; FEW]> = graph.section_ids().map(|(id, _)| !discard(id)).collect();
        // Zero-filled sections come behind all others.
        layout.place_sections(graph, &kept, false)?;
        if may_need_got(graph, bindings) {
            layout.nearness = layout.find_nearness(graph, bindings);
            layout.add_got(graph, bindings, &kept)?;
        } else {
            layout.got.start = layout.extents[Segment::ReadOnly.index()].size;
        }
        if graph.sections.iter().any(|section| section.zero_fill) {
            layout.place_sections(graph, &kept, true)?;
        }
        layout.locate_symbols(graph);
        Ok(layout)
    }

    /// The size of a segment.
    #[must_use]
    pub fn extent(&self, segment: Segment) -> Extent {
        self.extents[segment.index()]
    }

    /// Where a section starts, in bytes from its segment's start; `None` for discarded sections
    /// and for thread-local ones.
    #[must_use]
    pub fn section_offset(&self, section: SectionId) -> Option<(Segment, u64)> {
        match self.places.get(section.index()) {
            Some(SectionPlace::Segment(segment, offset)) => Some((*segment, *offset)),
            _ => None,
        }
    }

    /// Where the object defines a symbol, in bytes from the segment's start, whatever the symbol
    /// is bound to; `None` where it doesn't, or in a discarded or thread-local section.
    #[must_use]
    pub fn symbol_offset(&self, symbol: SymbolId) -> Option<(Segment, u64)> {
        self.symbols.get(symbol.index()).copied().flatten()
    }

    /// The GOT entries, in the order of their offsets.
    pub fn got_entries(&self) -> impl Iterator<Item = GotEntry> {
        let start = self.got.start;
        self.got.entries.iter().map(move |entry| GotEntry {
            symbol: entry.symbol,
            segment: Segment::ReadOnly,
            offset: start + u64::from(entry.offset),
            kind: entry.kind,
        })
    }

    /// Where the GOT starts, in bytes from the read-only segment's start: what
    /// `_GLOBAL_OFFSET_TABLE_` means in this object.
    #[must_use]
    pub fn got_offset(&self) -> u64 {
        self.got.start
    }

    /// Where a thread-local section starts in the object's thread image, in bytes; `None` for
    /// discarded sections and those that aren't thread-local.
    #[must_use]
    pub fn thread_offset(&self, section: SectionId) -> Option<u64> {
        match self.places.get(section.index()) {
            Some(SectionPlace::Thread(offset)) => Some(*offset),
            _ => None,
        }
    }

    /// The size of the object's thread image: all its kept thread-local sections together.
    #[must_use]
    pub fn thread_extent(&self) -> Extent {
        self.thread
    }

    /// The kept thread-local sections, in the order of their offsets in the thread image. Their
    /// fixed-up bytes are in [`Image::thread`](crate::Image::thread).
    pub fn thread_sections(&self) -> impl Iterator<Item = SectionId> {
        self.thread_sections.iter().copied()
    }

    /// Gives offsets to the kept sections that are zero-filled, or to those that aren't.
    fn place_sections(
        &mut self,
        graph: &LinkGraph<'_>,
        kept: &[bool],
        zero_fill: bool,
    ) -> Result<(), LinkError> {
        for ((id, section), _) in graph.section_ids().zip(kept).filter(|(_, kept)| **kept) {
            if section.zero_fill != zero_fill {
                continue;
            }
            let segment = section.segment;
            let extent = if section.role.is_thread() {
                &mut self.thread
            } else {
                &mut self.extents[segment.index()]
            };
            let offset = grow(extent, section.size, section.align, zero_fill)
                .ok_or_else(|| LinkError::too_large(graph, segment))?;
            self.places[id.index()] = if section.role.is_thread() {
                self.thread_sections.push(id);
                SectionPlace::Thread(offset)
            } else {
                if !zero_fill {
                    self.filled[segment.index()].push(id);
                }
                SectionPlace::Segment(segment, offset)
            };
        }
        Ok(())
    }

    fn locate_symbols(&mut self, graph: &LinkGraph<'_>) {
        let locate = |place| match place {
            SymbolPlace::Defined { section, offset } => self
                .section_offset(section)
                .map(|(segment, start)| (segment, start.wrapping_add(offset))),
            _ => None,
        };
        self.symbols = graph.symbols.iter().map(|s| locate(s.place)).collect();
    }

    /// What can be said of each symbol's address before the segments have theirs.
    fn find_nearness(
        &self,
        graph: &LinkGraph<'_>,
        bindings: &Bindings,
    ) -> SmallVec<[Nearness; FEW]> {
        let Range { start, end } = self.reach;
        let own_is_near = start <= end && end.get() - start.get() <= MAX_DISTANCE;
        let known = |address: u64| Nearness {
            near: start <= end
                && address.abs_diff(start.get()) <= MAX_DISTANCE
                && address.abs_diff(end.get()) <= MAX_DISTANCE,
            immediate: i32::try_from(address as i64).is_ok(),
        };
        let own = |near| Nearness {
            near: near && own_is_near,
            immediate: false,
        };
        let of = |(id, binding)| match binding {
            Binding::Address(address)
            | Binding::Canonical(address)
            | Binding::Tied(address)
            | Binding::Foreign { address, .. }
            | Binding::FixedSlot { slot: address, .. } => known(address.get()),
            Binding::Own => match graph.symbol(id).map(|symbol| symbol.place) {
                Some(SymbolPlace::Absolute(value)) => known(value),
                Some(SymbolPlace::GotBase) => own(true),
                // Past its section's end it may lie anywhere.
                Some(SymbolPlace::Defined { section, offset }) => own(graph
                    .section(section)
                    .is_some_and(|section| offset <= section.size)),
                _ => Nearness::default(),
            },
            _ => Nearness::default(),
        };
        bindings.iter().map(of).collect()
    }

    /// Decides on GOT entries and on the jump to null, and makes room for them.
    fn add_got(
        &mut self,
        graph: &LinkGraph<'_>,
        bindings: &Bindings,
        kept: &[bool],
    ) -> Result<(), LinkError> {
        let any_null = bindings.iter().any(|(_, binding)| binding == Binding::Null);
        let mut calls_null = false;
        let mut got = GotBuilder::new(graph, bindings, kept, &self.nearness);
        for ((_, section), _) in graph.section_ids().zip(kept).filter(|(_, kept)| **kept) {
            for relocation in &section.relocations {
                got.visit(section, relocation)?;
            }
            calls_null |= any_null
                && section.relocations.iter().any(|relocation| {
                    relocation.kind == RelocKind::Plt32
                        && bindings[relocation.symbol] == Binding::Null
                });
        }
        self.got = got.finish()?;
        let (size, align) = (self.got.size, if self.got.size > 0 { 8 } else { 1 });
        let extent = &mut self.extents[Segment::ReadOnly.index()];
        self.got.start = grow(extent, size, align, false)
            .ok_or_else(|| LinkError::too_large(graph, Segment::ReadOnly))?;
        if calls_null {
            let extent = &mut self.extents[Segment::Code.index()];
            let start = grow(extent, NULL_JUMP.len() as u64, 1, false);
            self.null_jump = Some(start.ok_or_else(|| LinkError::too_large(graph, Segment::Code))?);
        }
        Ok(())
    }
}

/// Whether anything has to be asked of GOT entries or of calls to null: seldom in what we compile
/// ourselves.
fn may_need_got(graph: &LinkGraph<'_>, bindings: &Bindings) -> bool {
    let mut relocations = graph.sections.iter().flat_map(|one| &one.relocations);
    let is_plain = |formula: Formula| matches!(formula, Formula::Absolute | Formula::PcRelative);
    relocations.any(|one| !is_plain(one.kind.formula()))
        || bindings.iter().any(|(_, binding)| binding == Binding::Null)
}

/// Adds bytes to the end of an extent and gives their offset; `None` if it gets too large.
fn grow(extent: &mut Extent, size: u64, align: u64, zero_fill: bool) -> Option<u64> {
    let align = align.max(1);
    let offset = extent.size.checked_next_multiple_of(align)?;
    let end = offset
        .checked_add(size)
        .filter(|end| *end <= Segment::MAX_SIZE)?;
    extent.size = end;
    if !zero_fill {
        extent.filled = end;
    }
    extent.align = extent.align.max(align);
    Some(offset)
}
