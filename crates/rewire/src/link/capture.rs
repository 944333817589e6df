//! Captures the bytes of linked objects for an image of the program, before anything runs.
//!
//! Everything within the engine's range lies in the next run where it lies now. So displacements
//! within the range stay as they are; words with an address in the range are stored as offsets; and
//! fields that depend on an address outside are noted, and stored as zeros. An object with a field
//! of which none of this is true isn't part of an image: it is made in each run, as are the objects
//! that refer to its data.

use rewire_memory::ExecAddr;
use rewire_object::{
    Binding, Formula, GotKind, RelocKind, Relocation, Segment, Symbol, SymbolId, SymbolPlace,
};

use super::resolve::{Parsed, is_label};
use super::{Origin, Staged};
use crate::base::program_image::{BoundField, ImageBytes, ImageFrame};
use crate::core::Core;
use crate::host::running_code::HANDLE;
use crate::ledger::{BlockId, Definition, EntryId, KeptBlock, KeptBound, Ledger, State, UseAspect};

/// The strictest alignment that places in the range have in each run.
const PAGE: u64 = 4096;

/// Notes what of an object goes into an image, if it can be part of one. The object was linked and
/// isn't published.
pub(super) fn keep(
    core: &Core,
    ledger: &mut Ledger,
    (parsed, one): (&Parsed<'_>, &Staged<'_>),
    block: BlockId,
) {
    if let Some(kept) = capture(core, ledger, parsed, one) {
        ledger.keep_block(block, kept);
    }
}

fn capture(
    core: &Core,
    ledger: &Ledger,
    parsed: &Parsed<'_>,
    one: &Staged<'_>,
) -> Option<Box<KeptBlock>> {
    let kept = core.kept.as_ref()?;
    let object = parsed.object;
    if !kept.images.is_member(object.unit.id)
        || object.origin != Origin::Ir
        || object.section.is_some()
        || one.layout.thread_extent().size > 0
        || Segment::ALL
            .iter()
            .any(|segment| one.layout.extent(*segment).align > PAGE)
        || parsed.graph.symbols.iter().any(can_be_named)
    {
        return None;
    }
    let mut capture = Capture {
        core,
        ledger,
        parsed,
        one,
        start: core.memory.reach().start,
        bytes: [
            one.image.code.clone(),
            one.image.read_only.clone(),
            one.image.data.clone(),
        ],
        moved: Vec::new(),
        bound: Vec::new(),
        nothing: Vec::new(),
    };
    for (id, section) in parsed.graph.section_ids() {
        let Some((segment, offset)) = one.layout.section_offset(id) else {
            continue;
        };
        for relocation in &section.relocations {
            capture.visit(segment, offset + relocation.offset, relocation)?;
        }
    }
    for entry in one.layout.got_entries() {
        capture.visit_got(entry.symbol, entry.segment, entry.offset, entry.kind)?;
    }
    capture.finish()
}

/// Whether a symbol is a label by which other code may name a place in the object. The assembler's
/// own labels, of constants of floating point say, are seen by nobody.
fn can_be_named(symbol: &Symbol<'_>) -> bool {
    is_label(symbol) && !symbol.name.is_empty() && !symbol.name.starts_with(".L")
}

/// What a symbol's address depends on.
#[derive(Clone, Copy, Debug)]
enum Lies {
    /// Only on the range's start.
    Inside,
    /// On another address: the entry's plus this.
    Outside(EntryId, i64),
    /// It is null, because nothing defines it.
    Nowhere(EntryId),
}

struct Capture<'c, 'p, 'm> {
    core: &'c Core,
    ledger: &'c Ledger,
    parsed: &'c Parsed<'p>,
    one: &'c Staged<'m>,
    start: ExecAddr,
    /// In the order of [`Segment::ALL`].
    bytes: [Vec<u8>; 3],
    moved: Vec<u32>,
    bound: Vec<KeptBound>,
    nothing: Vec<EntryId>,
}

impl Capture<'_, '_, '_> {
    /// Where a symbol lies; `None` if that isn't known to be the same in each run.
    fn lies(&self, symbol: SymbolId) -> Option<Lies> {
        let binding = self.one.bindings.get(symbol);
        let address = match binding {
            Binding::Own | Binding::Canonical(_) | Binding::Tied(_) => {
                let place = self.parsed.graph.symbol(symbol)?.place;
                let is_here = !matches!(place, SymbolPlace::Absolute(_));
                return is_here.then_some(Lies::Inside);
            }
            Binding::Null => return Some(Lies::Nowhere(self.target(symbol)?)),
            Binding::Address(address) | Binding::Foreign { address, .. } => address,
            Binding::FixedSlot { slot, .. } => slot,
            Binding::Thread { .. } | Binding::ThreadOffset(_) | Binding::Unbound => return None,
        };
        if self.parsed.meaning(symbol)?.aspect == UseAspect::Slot {
            return Some(Lies::Inside);
        }
        let target = self.target(symbol)?;
        let entry = self.ledger.entry(target);
        if entry.address_is_stub() {
            return Some(Lies::Inside);
        }
        let is_outside = match entry.definition() {
            Definition::Ir(..) => return Some(Lies::Inside),
            Definition::None | Definition::Absolute => true,
            Definition::Engine => &**entry.name() == HANDLE,
            _ => false,
        };
        match entry.state() {
            State::Present(known) if is_outside => {
                Some(Lies::Outside(target, address.offset_from(known.addr())))
            }
            // A function that nothing defines is called through its stub.
            _ => self
                .core
                .slots
                .stub_range()
                .contains(&address)
                .then_some(Lies::Inside),
        }
    }

    fn target(&self, symbol: SymbolId) -> Option<EntryId> {
        let meaning = self.parsed.meaning(symbol)?;
        Some(self.ledger.address_target(meaning.entry).0)
    }

    fn visit(&mut self, segment: Segment, offset: u64, relocation: &Relocation) -> Option<()> {
        let formula = relocation.kind.formula();
        if formula == Formula::Size {
            return Some(());
        }
        if let Binding::FixedSlot { function, .. } = self.one.bindings.get(relocation.symbol)
            && !self.core.memory.reach().contains(&function)
        {
            return self.visit_direct(segment, offset, relocation, function);
        }
        let lies = self.lies(relocation.symbol)?;
        match formula {
            Formula::Absolute => {
                if relocation.kind.field().width() != 8 {
                    return None;
                }
                self.word(segment, offset, lies, relocation.addend)
            }
            Formula::PcRelative => match (lies, self.one.bindings.get(relocation.symbol)) {
                (Lies::Inside, _) => Some(()),
                (Lies::Outside(..), Binding::Foreign { .. })
                    if relocation.kind == RelocKind::Plt32 =>
                {
                    Some(())
                }
                (Lies::Outside(entry, delta), _) => {
                    self.distance(segment, offset, entry, delta + relocation.addend)
                }
                (Lies::Nowhere(entry), _) if relocation.kind == RelocKind::Plt32 => {
                    self.nothing.push(entry);
                    Some(())
                }
                (Lies::Nowhere(_), _) => None,
            },
            Formula::GotEntryPc => {
                let mut entries = self.one.layout.got_entries();
                let has_entry = entries.any(|one| one.symbol == relocation.symbol);
                match lies {
                    Lies::Inside => Some(()),
                    // Some of a symbol's loads may be rewritten and others not.
                    Lies::Outside(entry, delta) => self
                        .distance(segment, offset, entry, delta + relocation.addend)
                        .or(has_entry.then_some(())),
                    Lies::Nowhere(_) => has_entry.then_some(()),
                }
            }
            Formula::GotEntryOffset | Formula::GotBasePc => Some(()),
            Formula::GotRelative => matches!(lies, Lies::Inside).then_some(()),
            _ => None,
        }
    }

    /// A call of frozen code that goes to a function outside directly.
    fn visit_direct(
        &mut self,
        segment: Segment,
        offset: u64,
        relocation: &Relocation,
        function: ExecAddr,
    ) -> Option<()> {
        let target = self.target(relocation.symbol)?;
        let entry = self.ledger.entry(target);
        let State::Present(known) = entry.state() else {
            return None;
        };
        let delta = function.offset_from(known.addr());
        // An instruction that wasn't rewritten goes through the slot.
        self.distance(segment, offset, target, delta + relocation.addend);
        Some(())
    }

    fn visit_got(
        &mut self,
        symbol: SymbolId,
        segment: Segment,
        offset: u64,
        kind: GotKind,
    ) -> Option<()> {
        if kind != GotKind::Address {
            return None;
        }
        let lies = self.lies(symbol)?;
        self.word(segment, offset, lies, 0)
    }

    /// Notes a word that holds an address.
    fn word(&mut self, segment: Segment, offset: u64, lies: Lies, addend: i64) -> Option<()> {
        let at = self.place(segment, offset)?;
        let (reach, start) = (self.core.memory.reach(), self.start);
        let word: &mut [u8; 8] = self.field(segment, offset)?;
        let value = u64::from_le_bytes(*word);
        match lies {
            // The description of code that was left out.
            Lies::Inside if value == 0 => {}
            Lies::Inside => {
                let address = ExecAddr::new(value);
                if address < reach.start || address > reach.end {
                    return None;
                }
                *word = (value - start.get()).to_le_bytes();
                self.moved.push(at);
            }
            Lies::Outside(entry, delta) => {
                *word = [0; 8];
                let addend = delta.wrapping_add(addend);
                if self.address(entry)?.wrapping_add_signed(addend) != value {
                    return None;
                }
                self.bound.push(KeptBound {
                    entry,
                    at,
                    addend,
                    field: BoundField::Word,
                });
            }
            Lies::Nowhere(entry) if value == addend as u64 => self.nothing.push(entry),
            Lies::Nowhere(_) => return None,
        }
        Some(())
    }

    /// Notes a field of 4 bytes that holds the distance to an address outside. Where the linker has
    /// rewritten the instruction, the field may have moved by a byte.
    fn distance(
        &mut self,
        segment: Segment,
        offset: u64,
        entry: EntryId,
        addend: i64,
    ) -> Option<()> {
        let address = self.address(entry)?;
        for offset in [Some(offset), offset.checked_sub(1)].into_iter().flatten() {
            let at = self.place(segment, offset)?;
            let from = self.start.get() + u64::from(at);
            let wanted = address.wrapping_add_signed(addend).wrapping_sub(from) as i64;
            let field: &mut [u8; 4] = self.field(segment, offset)?;
            if i64::from(i32::from_le_bytes(*field)) == wanted {
                *field = [0; 4];
                self.bound.push(KeptBound {
                    entry,
                    at,
                    addend,
                    field: BoundField::Distance,
                });
                return Some(());
            }
        }
        None
    }

    fn address(&self, entry: EntryId) -> Option<u64> {
        match self.ledger.entry(entry).state() {
            State::Present(address) => Some(address.addr().get()),
            _ => None,
        }
    }

    fn place(&self, segment: Segment, offset: u64) -> Option<u32> {
        let at = self.one.placement.segment(segment) + offset;
        u32::try_from(at.offset_from(self.start)).ok()
    }

    /// The bytes of a field. Constants behind the code are written with the code.
    fn field<const N: usize>(&mut self, segment: Segment, offset: u64) -> Option<&mut [u8; N]> {
        let (segment, offset) = match segment {
            Segment::ReadOnly if self.one.joined_end.is_some() => {
                let behind = self
                    .one
                    .placement
                    .read_only
                    .offset_from(self.one.placement.code);
                (Segment::Code, behind as u64 + offset)
            }
            other => (other, offset),
        };
        let place = Segment::ALL.iter().position(|one| *one == segment)?;
        self.bytes[place]
            .get_mut(offset as usize..)?
            .first_chunk_mut()
    }

    fn finish(self) -> Option<Box<KeptBlock>> {
        let place = |address: ExecAddr| u32::try_from(address.offset_from(self.start)).ok();
        let frames = self.one.image.frames.iter().map(|frame| {
            Some(ImageFrame {
                start: place(frame.start)?,
                size: u32::try_from(frame.size).ok()?,
                description: place(frame.description)?,
            })
        });
        let frames = frames.collect::<Option<Vec<_>>>()?;
        let [code, read_only, data] = self.bytes;
        let is_joined = self.one.joined_end.is_some();
        Some(Box::new(KeptBlock {
            code: ImageBytes::Own(code),
            read_only: ImageBytes::Own(if is_joined { Vec::new() } else { read_only }),
            data: ImageBytes::Own(data),
            frames,
            moved: self.moved,
            bound: self.bound,
            nothing: self.nothing,
        }))
    }
}
