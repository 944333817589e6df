//! Copies the sections to their places and fixes them up on the way.
//!
//! Each symbol's values are worked out once, into a table; a relocation then costs one look into
//! it, its formula, and a store into bytes that were copied a moment before.

use smallvec::SmallVec;

use crate::addr::ExecAddr;
use crate::bind::{Binding, Bindings};
use crate::eh_frame::{Frame, FrameWalk};
use crate::error::{Culprit, LinkError};
use crate::got::{GotKind, NO_ENTRY};
use crate::graph::{
    FEW, LinkGraph, Relocation, Section, SectionId, SectionRole, Segment, SymbolId, SymbolPlace,
};
use crate::layout::{Layout, NULL_JUMP};
use crate::relax;
use crate::reloc::{Field, Formula, RelocKind};
use crate::symbol_state::{self, SymbolState};
use crate::x86_64;

/// Where the segments will lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The address of the code segment.
    pub code: ExecAddr,
    /// The address of the read-only segment.
    pub read_only: ExecAddr,
    /// The address of the data segment.
    pub data: ExecAddr,
}

impl Placement {
    /// The address of a segment.
    #[must_use]
    pub const fn segment(&self, segment: Segment) -> ExecAddr {
        match segment {
            Segment::Code => self.code,
            Segment::ReadOnly => self.read_only,
            Segment::Data => self.data,
        }
    }
}

/// A linked object's bytes. The buffers can be used again: each link clears and fills them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// The code segment.
    pub code: Vec<u8>,
    /// The read-only segment.
    pub read_only: Vec<u8>,
    /// The data segment up to where only zeros follow
    /// ([`Extent::filled`](crate::layout::Extent::filled)).
    pub data: Vec<u8>,
    /// The thread image ([`Layout::thread_extent`]), up to where only zeros follow.
    pub thread: Vec<u8>,
    /// The frames that its `.eh_frame` describes.
    pub frames: SmallVec<[Frame; 1]>,
    /// The number of relocations that were applied.
    pub applied: u64,
}

/// What lies between sections of code: `int3`.
const CODE_PADDING: u8 = 0xcc;

/// Writes into `out` the bytes of each segment for its place.
///
/// # Errors
///
/// A segment placed outside of the layout's reach or not aligned; a symbol that is unbound, or
/// bound to what the relocation can't use; a value that doesn't fit its field; a relocation
/// against a discarded section. In `.eh_frame`, the description of a discarded function becomes
/// a tombstone instead (its fields that point to discarded code hold 0, which unwinders take for
/// "removed"), and debug sections hold 0. What `out` holds after an error is of no use.
pub fn link(
    graph: &LinkGraph<'_>,
    bindings: &Bindings,
    layout: &Layout,
    placement: &Placement,
    out: &mut Image,
) -> Result<(), LinkError> {
    let fixer = Fixer::new(graph, bindings, layout, placement)?;
    out.applied = 0;
    out.frames.clear();
    for segment in Segment::ALL {
        let (bytes, padding) = match segment {
            Segment::Code => (&mut out.code, CODE_PADDING),
            Segment::ReadOnly => (&mut out.read_only, 0),
            Segment::Data => (&mut out.data, 0),
        };
        bytes.clear();
        bytes.reserve(layout.extent(segment).filled as usize);
        for &id in &layout.filled[segment.index()] {
            let Some((_, offset)) = layout.section_offset(id) else {
                continue;
            };
            let place = placement.segment(segment) + offset;
            out.applied += fixer.copy(id, offset, Some(place), padding, bytes, &mut out.frames)?;
        }
        match segment {
            Segment::Code => fixer.add_null_jump(bytes),
            Segment::ReadOnly => fixer.add_got(bytes),
            Segment::Data => {}
        }
    }
    out.thread.clear();
    for id in layout.thread_sections() {
        let zero_fill = graph.section(id).is_none_or(|section| section.zero_fill);
        if let (Some(offset), false) = (layout.thread_offset(id), zero_fill) {
            out.applied += fixer.copy(id, offset, None, 0, &mut out.thread, &mut out.frames)?;
        }
    }
    Ok(())
}

/// What relocations need to know of a symbol.
#[derive(Clone, Copy, Debug)]
struct SymbolValues {
    /// Its address; its offset if it is thread-local.
    value: u64,
    /// The address of the object's own definition where that differs; its module if it is
    /// thread-local.
    other: u64,
    /// Where a direct call of it goes; of the word of a slot, where a call through it goes.
    call: u64,
    /// The address of its GOT entry, or 0.
    entry: u64,
    state: SymbolState,
    /// The state where a section describes bodies.
    body_state: SymbolState,
}

/// The symbols' values for one link.
struct Fixer<'a, 'data> {
    graph: &'a LinkGraph<'data>,
    layout: &'a Layout,
    got: u64,
    module: Option<(u64, u64)>,
    null_jump: u64,
    targets: SmallVec<[SymbolValues; FEW]>,
}

impl<'a, 'data> Fixer<'a, 'data> {
    fn new(
        graph: &'a LinkGraph<'data>,
        bindings: &Bindings,
        layout: &'a Layout,
        placement: &Placement,
    ) -> Result<Self, LinkError> {
        let symbols = graph.symbols.len();
        if bindings.len() != symbols || layout.symbols.len() != symbols {
            return Err(LinkError::Inconsistent {
                object: graph.name.clone(),
                reason: "the graph, the bindings and the layout are not of one object",
            });
        }
        check_placement(graph, layout, placement)?;
        let got = (placement.read_only + layout.got.start).get();
        let mut fixer = Self {
            graph,
            layout,
            got,
            module: None,
            null_jump: layout
                .null_jump
                .map_or(0, |offset| (placement.code + offset).get()),
            targets: SmallVec::with_capacity(symbols),
        };
        for (id, binding) in bindings.iter() {
            fixer.targets.push(fixer.target(id, binding, placement));
        }
        if let Some(offset) = layout.got.module_pair {
            let module = layout
                .got
                .entries
                .iter()
                .find(|entry| entry.kind == GotKind::ThreadModule)
                .and_then(|entry| fixer.targets.get(entry.symbol.index()))
                .map_or(0, |target| target.other);
            fixer.module = Some((module, got.wrapping_add(u64::from(offset))));
        }
        Ok(fixer)
    }

    fn target(&self, id: SymbolId, binding: Binding, placement: &Placement) -> SymbolValues {
        let place = self.layout.symbol_offset(id);
        let state = symbol_state::state(self.graph, id, binding, place.is_some());
        let own = match (place, self.graph.symbol(id).map(|symbol| symbol.place)) {
            (Some((segment, offset)), _) => (placement.segment(segment) + offset).get(),
            (None, Some(SymbolPlace::Absolute(value))) => value,
            (None, Some(SymbolPlace::GotBase)) => self.got,
            _ => 0,
        };
        let (value, other) = match binding {
            Binding::Own => (own, own),
            Binding::Address(address) => (address.get(), address.get()),
            Binding::Canonical(address) | Binding::Tied(address) => (address.get(), own),
            Binding::Foreign { address, .. } => (address.get(), address.get()),
            Binding::FixedSlot { slot, .. } => (slot.get(), slot.get()),
            Binding::Thread { module, offset } => (offset, module),
            Binding::ThreadOffset(offset) => (offset as u64, 0),
            Binding::Null | Binding::Unbound => (0, 0),
        };
        let call = match binding {
            Binding::Foreign { call, .. } => call.get(),
            Binding::FixedSlot { function, .. } => function.get(),
            Binding::Tied(_) => own,
            Binding::Null => self.null_jump,
            _ => value,
        };
        let body_state = match binding {
            // A resolver function has a body like any other.
            Binding::Canonical(_) | Binding::Tied(_) => {
                match symbol_state::own_state(self.graph, id, place.is_some()) {
                    SymbolState::OwnIfunc => SymbolState::Address,
                    other => other,
                }
            }
            _ => state,
        };
        let entry = match self.layout.got.offsets.get(id.index()) {
            Some(&offset) if offset != NO_ENTRY => self.got.wrapping_add(u64::from(offset)),
            _ => 0,
        };
        SymbolValues {
            value,
            other,
            call,
            entry,
            state,
            body_state,
        }
    }

    /// Appends a section at its offset and fixes it up; gives the number of relocations.
    fn copy(
        &self,
        id: SectionId,
        offset: u64,
        place: Option<ExecAddr>,
        padding: u8,
        bytes: &mut Vec<u8>,
        frames: &mut SmallVec<[Frame; 1]>,
    ) -> Result<u64, LinkError> {
        let Some(section) = self.graph.section(id) else {
            return Ok(0);
        };
        let start = offset as usize;
        bytes.resize(start, padding);
        bytes.extend_from_slice(section.data);
        self.fix(section, place, &mut bytes[start..], frames)?;
        Ok(section.relocations.len() as u64)
    }

    fn fix(
        &self,
        section: &Section<'_>,
        place: Option<ExecAddr>,
        bytes: &mut [u8],
        frames: &mut SmallVec<[Frame; 1]>,
    ) -> Result<(), LinkError> {
        let bodies = section.role.describes_bodies();
        let mut walk = FrameWalk::new(section.data);
        for relocation in &section.relocations {
            let Some(target) = self.targets.get(relocation.symbol.index()) else {
                let at = Culprit::new(self.graph, section, relocation);
                return Err(LinkError::Unbound { at });
            };
            let spec = x86_64::spec(relocation.kind);
            let p = match place {
                Some(start) => (start + relocation.offset).get(),
                None if spec.formula.needs_place() => {
                    return Err(self.mismatch(section, relocation, "a fixed place of its field"));
                }
                None => 0,
            };
            let a = relocation.addend as u64;
            // The bulk: an address, as it is or less the place.
            let direct = matches!(spec.formula, Formula::Absolute | Formula::PcRelative);
            let value = if direct && !bodies && target.state == SymbolState::Address {
                let base = if spec.formula == Formula::PcRelative {
                    p
                } else {
                    0
                };
                let s = if relocation.kind == RelocKind::Plt32 {
                    target.call
                } else {
                    target.value
                };
                s.wrapping_add(a).wrapping_sub(base)
            } else {
                match self.evaluate(section, relocation, target, p, &mut walk, bytes)? {
                    Some(value) => value,
                    None => continue,
                }
            };
            self.store(section, relocation, spec.field, value as i64, bytes)?;
            // 0 stands for code that was discarded.
            if direct
                && section.role == SectionRole::EhFrame
                && value != 0
                && let Some((at, size)) = walk.describes(relocation.offset, spec.field.width())
                && size != 0
                && let Some(place) = place
            {
                let base = if spec.formula.needs_place() { p } else { 0 };
                frames.push(Frame {
                    start: ExecAddr::new(value.wrapping_add(base)),
                    size,
                    description: place + at,
                });
            }
        }
        Ok(())
    }

    /// The value of a relocation; `None` where the field is finished already.
    fn evaluate(
        &self,
        section: &Section<'_>,
        relocation: &Relocation,
        target: &SymbolValues,
        p: u64,
        frames: &mut FrameWalk<'_>,
        bytes: &mut [u8],
    ) -> Result<Option<u64>, LinkError> {
        let a = relocation.addend as u64;
        let formula = relocation.kind.formula();
        let direct = matches!(
            formula,
            Formula::Absolute | Formula::PcRelative | Formula::GotRelative
        );
        let (s, state) =
            if direct && section.role.describes_bodies() && target.state == SymbolState::Address {
                (target.other, target.body_state)
            } else {
                (target.value, target.state)
            };
        if state == SymbolState::Discarded {
            let tombstone = match section.role {
                SectionRole::Debug => true,
                SectionRole::EhFrame => frames.may_be_dead(relocation.offset),
                _ => false,
            };
            if tombstone {
                return Ok(Some(0));
            }
        }
        symbol_state::check_formula(self.graph, section, relocation, state)?;
        let value = match formula {
            Formula::Absolute => s.wrapping_add(a),
            Formula::PcRelative => {
                if state == SymbolState::FixedSlot
                    && let Some(rewrite) = relax::plan_slot(section, relocation)
                    && relax::apply(rewrite, bytes, relocation.offset as usize, target.call, p)
                        .is_ok()
                {
                    return Ok(None);
                }
                let s = match (state, relocation.kind) {
                    (SymbolState::Null, RelocKind::Plt32) => target.call,
                    _ => s,
                };
                s.wrapping_add(a).wrapping_sub(p)
            }
            Formula::GotRelative => s.wrapping_add(a).wrapping_sub(self.got),
            Formula::GotBasePc => self.got.wrapping_add(a).wrapping_sub(p),
            Formula::GotEntryPc => {
                if self.rewrite(section, relocation, target, p, bytes)? {
                    return Ok(None);
                }
                self.entry(section, relocation, target)?
                    .wrapping_add(a)
                    .wrapping_sub(p)
            }
            Formula::ThreadPairPc | Formula::ThreadOffsetEntryPc => self
                .entry(section, relocation, target)?
                .wrapping_add(a)
                .wrapping_sub(p),
            Formula::GotEntryOffset => self
                .entry(section, relocation, target)?
                .wrapping_sub(self.got)
                .wrapping_add(a),
            Formula::ThreadModulePc | Formula::ThreadBlockOffset => {
                let pair = match self.module {
                    // One call of `__tls_get_addr` serves all variables of the object.
                    Some((module, _)) if module != target.other => {
                        let need = "the same module as the object's other thread-local variables";
                        return Err(self.mismatch(section, relocation, need));
                    }
                    Some((_, pair)) => pair,
                    None => 0,
                };
                if formula == Formula::ThreadBlockOffset {
                    target.value.wrapping_add(a)
                } else {
                    pair.wrapping_add(a).wrapping_sub(p)
                }
            }
            Formula::ThreadOffset => target.value.wrapping_add(a),
            Formula::Size => match self.graph.symbol(relocation.symbol) {
                Some(symbol) if symbol.place != SymbolPlace::Undefined => {
                    symbol.size.wrapping_add(a)
                }
                _ => return Err(self.mismatch(section, relocation, "the symbol's size")),
            },
        };
        Ok(Some(value))
    }

    /// Rewrites the instruction around a load from the GOT, if the layout counts on that.
    fn rewrite(
        &self,
        section: &Section<'_>,
        relocation: &Relocation,
        target: &SymbolValues,
        p: u64,
        bytes: &mut [u8],
    ) -> Result<bool, LinkError> {
        let nearness = self.layout.nearness.get(relocation.symbol.index());
        let nearness = nearness.copied().unwrap_or_default();
        let Some(rewrite) = relax::plan(section, relocation, nearness) else {
            return Ok(false);
        };
        relax::apply(rewrite, bytes, relocation.offset as usize, target.value, p)
            .map(|()| true)
            .map_err(|value| LinkError::OutOfRange {
                at: Culprit::new(self.graph, section, relocation),
                value,
            })
    }

    fn entry(
        &self,
        section: &Section<'_>,
        relocation: &Relocation,
        target: &SymbolValues,
    ) -> Result<u64, LinkError> {
        if target.entry == 0 {
            // The bindings changed since the layout was made.
            return Err(self.mismatch(section, relocation, "a GOT entry in the layout"));
        }
        Ok(target.entry)
    }

    #[cold]
    fn mismatch(
        &self,
        section: &Section<'_>,
        relocation: &Relocation,
        need: &'static str,
    ) -> LinkError {
        LinkError::Mismatch {
            at: Culprit::new(self.graph, section, relocation),
            need,
        }
    }

    #[inline]
    fn store(
        &self,
        section: &Section<'_>,
        relocation: &Relocation,
        field: Field,
        value: i64,
        bytes: &mut [u8],
    ) -> Result<(), LinkError> {
        let out_of_range = || LinkError::OutOfRange {
            at: Culprit::new(self.graph, section, relocation),
            value,
        };
        if !field.holds(value) {
            return Err(out_of_range());
        }
        let start = relocation.offset as usize;
        let word = value.to_le_bytes();
        let new = &word[..field.width()];
        let old = start
            .checked_add(new.len())
            .and_then(|end| bytes.get_mut(start..end));
        match old {
            Some(old) => {
                old.copy_from_slice(new);
                Ok(())
            }
            None => Err(LinkError::OutsideSection {
                at: Culprit::new(self.graph, section, relocation),
            }),
        }
    }

    fn add_null_jump(&self, bytes: &mut Vec<u8>) {
        if let Some(offset) = self.layout.null_jump {
            bytes.resize(offset as usize, CODE_PADDING);
            bytes.extend_from_slice(&NULL_JUMP);
        }
    }

    fn add_got(&self, bytes: &mut Vec<u8>) {
        bytes.resize(self.layout.got.start as usize, 0);
        for entry in &self.layout.got.entries {
            let Some(target) = self.targets.get(entry.symbol.index()) else {
                continue;
            };
            let words = match entry.kind {
                GotKind::Address | GotKind::ThreadOffset => [target.value, 0],
                GotKind::ThreadPair => [target.other, target.value],
                GotKind::ThreadModule => [target.other, 0],
            };
            for word in &words[..(entry.kind.size() / 8) as usize] {
                bytes.extend_from_slice(&word.to_le_bytes());
            }
        }
    }
}

/// What the layout took for granted: segments are aligned, and lie in its reach.
fn check_placement(
    graph: &LinkGraph<'_>,
    layout: &Layout,
    placement: &Placement,
) -> Result<(), LinkError> {
    for segment in Segment::ALL {
        let (at, extent) = (placement.segment(segment), layout.extent(segment));
        let fail = |reason| LinkError::Placement {
            object: graph.name.clone(),
            segment,
            at,
            reason,
        };
        if extent.size == 0 {
            continue;
        }
        if !at.is_aligned_to(extent.align) {
            return Err(fail("the address is not a multiple of the alignment"));
        }
        let end = at.checked_add(extent.size);
        if at < layout.reach.start || end.is_none_or(|end| end > layout.reach.end) {
            return Err(fail("the segment is not inside the reach of the layout"));
        }
    }
    Ok(())
}
