//! From object bytes to code that runs.
//!
//! ```text
//! Object --parse--> [resolve] --gather--> batch --bind, lay out, fix up--> write --> publish
//! ```
//!
//! Objects are linked in batches: an object, and what it refers to that has no memory yet. From
//! the moment that everything is at hand until it is published, the ledger is locked, so that
//! others see all of it or nothing, and an error leaves nothing behind.

mod bind;
mod gather;
mod observed;
mod publish;
mod resolve;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use rewire_memory::unwind::UnwindRegistration;
use rewire_memory::{ExecAddr, RegionKind, Reserved};
use rewire_object::{
    Bindings, Extent, Image, Layout, Placement, SectionRole, Segment, SymbolId, SymbolPlace,
};
use rustc_hash::FxHashSet;
use smallvec::SmallVec;

pub(crate) use gather::enter_host;
pub(crate) use resolve::Parsed;

use crate::compile::Emitted;
use crate::core::Core;
use crate::error::Error;
use crate::ids::UnitKey;
use crate::ledger::{EntryId, Former, Ledger, Planned};
use crate::report::Phase;
use crate::timings::Timer;
use crate::unit::Unit;
use bind::Binder;
use gather::Needs;
use rewire_llvm::Ordinal;

/// An object to be linked.
#[derive(Debug)]
pub(crate) struct Object {
    /// The unit whose names it knows.
    pub(crate) unit: Arc<Unit>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) origin: Origin,
    /// The named section that it holds a piece of; the pieces of one batch lie together.
    pub(crate) section: Option<Arc<str>>,
    /// Constants that it may have been made with, though it doesn't hold or name them.
    pub(crate) folds: Vec<Ordinal>,
}

impl Object {
    /// One that was made of a unit's IR.
    pub(crate) fn of_ir(unit: &Arc<Unit>, emitted: Emitted) -> Self {
        Self {
            unit: unit.clone(),
            bytes: emitted.bytes,
            origin: Origin::Ir,
            section: None,
            folds: emitted.folds,
        }
    }

    /// A unit's module-level assembly.
    pub(crate) fn of_assembly(unit: &Arc<Unit>, bytes: Vec<u8>) -> Self {
        Self {
            unit: unit.clone(),
            bytes,
            origin: Origin::Assembly,
            section: None,
            folds: Vec::new(),
        }
    }
}

impl Object {
    /// The first section of assembly whose name is an identifier: who knows that may walk it.
    pub(crate) fn first_named_section(&self) -> Result<Option<Arc<str>>, Error> {
        let graph = rewire_object::parse(&self.unit.name, &self.bytes)?;
        let mut sections = graph.sections.iter();
        let named = sections.find(|one| one.role == SectionRole::Plain && is_identifier(one.name));
        Ok(named.map(|one| one.name.into()))
    }

    /// Checks that a section of it can lie beside those of other objects.
    pub(crate) fn check_joins(&self, section: &Arc<str>) -> Result<(), Error> {
        if self.origin == Origin::Ir {
            return Ok(());
        }
        let graph = rewire_object::parse(&self.unit.name, &self.bytes)?;
        let mut sections = graph.sections.iter();
        let other = sections
            .find(|one| one.segment == Segment::Data && one.size > 0 && one.name != &**section);
        match other {
            None => Ok(()),
            Some(other) => Err(Error::Object(rewire_object::ObjectError::Section {
                object: self.unit.name.clone(),
                section: section.to_string(),
                index: other.elf_index,
                reason: format!(
                    "other units have pieces of it, and this unit's can't lie beside them, \
                     because its module-level assembly has other data, in {}; put that into \
                     another unit",
                    other.name
                ),
            })),
        }
    }
}

/// Whether a section's name can be part of `__start_NAME` in C.
pub(crate) fn is_identifier(section: &str) -> bool {
    let mut bytes = section.bytes();
    let starts = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    bytes.next().is_some_and(starts) && bytes.all(|byte| starts(byte) || byte.is_ascii_digit())
}

/// What an object was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Definitions that are in the ledger.
    Ir,
    /// Module-level assembly, whose names the ledger learns now.
    Assembly,
}

/// Where a linked object's definitions are.
#[derive(Debug, Default)]
pub(crate) struct Linked {
    /// The definitions that now stand for their names.
    pub(crate) defined: Vec<(EntryId, ExecAddr)>,
    /// The functions that are called, in the order of the calls, if it was linked to be there.
    pub(crate) calls: Vec<EntryId>,
    /// Where the pieces of named sections lie, in order.
    pub(crate) pieces: Vec<(Arc<str>, ExecAddr, u64)>,
    /// What assembly wrote into tables of constructors and destructors, and into sections that can
    /// be walked.
    pub(crate) arrays: Vec<ArrayPiece>,
    /// What the names stood for that moved over.
    pub(crate) former: Vec<Former>,
}

/// A piece of a table that the C library walks, or the program.
#[derive(Clone, Debug)]
pub(crate) struct ArrayPiece {
    pub(crate) unit: UnitKey,
    pub(crate) section: Arc<str>,
    pub(crate) start: ExecAddr,
    pub(crate) size: u64,
}

/// What something is linked for: which slots lead to the new bodies at once.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose<'p> {
    /// To be there: all of them.
    Load,
    /// A function is being called, and others came with it: those that were called. The others'
    /// first calls go through the engine, which counts them.
    Call,
    /// To change what names stand for: all of them, when the names move over.
    Change(&'p Planned),
}

impl<'p> Purpose<'p> {
    /// What names will stand for.
    pub(crate) fn planned(self) -> Option<&'p Planned> {
        match self {
            Self::Change(planned) => Some(planned),
            Self::Load | Self::Call => None,
        }
    }
}

/// Links objects with whatever they need, and publishes them. Of all that has memory already, but
/// for a function that is to be replaced, the first copy stays.
pub(crate) fn link(core: &Core, objects: &[Object], purpose: Purpose<'_>) -> Result<Linked, Error> {
    let timer = core.timings.start(Phase::Link);
    let batch = parse_all(objects)?;
    let timer = timer.then(Phase::Link);
    complete(core, batch, purpose, &mut HashSet::default(), 0, timer)
}

/// `int3`, which lies between pieces of code.
const CODE_PADDING: u8 = 0xcc;

/// How often more may be found to be missing: each time, what was missing names something new.
const MOST_ROUNDS: usize = 1000;

fn parse_all(objects: &[Object]) -> Result<Vec<Parsed<'_>>, Error> {
    objects.iter().map(Parsed::new).collect()
}

/// Adds to the batch until nothing is missing, then links it.
fn complete(
    core: &Core,
    mut batch: Vec<Parsed<'_>>,
    purpose: Purpose<'_>,
    absent: &mut FxHashSet<EntryId>,
    round: usize,
    timer: Timer<'_>,
) -> Result<Linked, Error> {
    if round == MOST_ROUNDS {
        let unit = batch.first().map(|one| one.object.unit.name.clone());
        return Err(Error::Internal(format!(
            "{}: what is missing never comes",
            unit.unwrap_or_default()
        )));
    }
    let mut ledger = core.ledger();
    for parsed in &mut batch {
        parsed.resolve(&core.memory, &mut ledger, purpose.planned())?;
    }
    let needs = Needs::find(&ledger, purpose.planned(), &batch, absent);
    if needs.is_empty() {
        let staged = stage(core, &mut ledger, &mut batch, purpose, absent)?;
        return Ok(publish::publish(
            core, ledger, &batch, staged, purpose, timer,
        ));
    }
    drop(ledger);
    timer.stop();
    needs.ask_outside(core, absent)?;
    let more = needs.extract(core)?;
    // Those live shorter than what the batch began with.
    let mut batch: Vec<Parsed<'_>> = batch;
    let timer = core.timings.start(Phase::Link);
    batch.extend(parse_all(&more)?);
    complete(core, batch, purpose, absent, round + 1, timer)
}

/// One object with its place and its bytes, not yet seen by anybody.
pub(crate) struct Staged<'m> {
    pub(crate) bindings: Bindings,
    pub(crate) layout: Layout,
    pub(crate) placement: Placement,
    /// The definitions that will stand for their names, and where.
    pub(crate) definitions: SmallVec<[bind::Definition; 2]>,
    /// What was taken for each segment, in the order of [`Segment::ALL`].
    pub(crate) memory: SmallVec<[Reserved<'m>; 3]>,
    /// Where the memory ends that was taken for the code and, right behind it, the read-only
    /// segment.
    pub(crate) joined_end: Option<ExecAddr>,
    pub(crate) image: Image,
    /// What makes its frames known to the unwinder, once it is published.
    pub(crate) unwind: Option<UnwindRegistration>,
}

/// Gives each object memory and fixes it up there. On an error, all memory is given back.
fn stage<'m>(
    core: &'m Core,
    ledger: &mut Ledger,
    batch: &mut [Parsed<'_>],
    purpose: Purpose<'_>,
    absent: &FxHashSet<EntryId>,
) -> Result<Vec<Staged<'m>>, Error> {
    let mut binder = Binder::new(core, absent, purpose.planned());
    binder.find_owners(ledger, batch);
    binder.make_room(ledger, batch);
    let batch = &*batch;
    let mut staged = Undo(Vec::with_capacity(batch.len()));
    for (place, parsed) in batch.iter().enumerate() {
        let bindings = binder.bind(ledger, batch, place)?;
        let layout = Layout::new(
            &parsed.graph,
            &bindings,
            |section| binder.discards(place, section),
            core.memory.reach(),
        )?;
        staged.0.push(Staged {
            bindings,
            layout,
            placement: Placement {
                code: ExecAddr::NULL,
                read_only: ExecAddr::NULL,
                data: ExecAddr::NULL,
            },
            definitions: SmallVec::new(),
            memory: SmallVec::new(),
            joined_end: None,
            image: Image::default(),
            unwind: None,
        });
    }
    for (parsed, one) in batch.iter().zip(&mut staged.0) {
        one.reserve(core, parsed)?;
    }
    binder.locate(batch, &mut staged.0)?;
    for (parsed, one) in batch.iter().zip(&mut staged.0) {
        rewire_object::link(
            &parsed.graph,
            &one.bindings,
            &one.layout,
            &one.placement,
            &mut one.image,
        )?;
        one.join();
        one.write()?;
    }
    Ok(std::mem::take(&mut staged.0))
}

/// The value of a symbol that isn't an address in the object.
fn absolute(parsed: &Parsed<'_>, symbol: SymbolId) -> Option<ExecAddr> {
    match parsed.graph.symbol(symbol)?.place {
        SymbolPlace::Absolute(value) => Some(ExecAddr::new(value)),
        _ => None,
    }
}

/// Gives memory back in the reverse order of taking it.
struct Undo<'m>(Vec<Staged<'m>>);

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        while let Some(mut one) = self.0.pop() {
            while one.memory.pop().is_some() {}
        }
    }
}

impl<'m> Staged<'m> {
    fn reserve(&mut self, core: &'m Core, parsed: &Parsed<'_>) -> Result<(), Error> {
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
    fn join(&mut self) {
        if self.joined_end.is_some() {
            let behind = self.placement.read_only.offset_from(self.placement.code);
            let image = &mut self.image;
            image.code.resize(behind as usize, CODE_PADDING);
            image.code.extend_from_slice(&image.read_only);
        }
    }

    /// Writes the fixed-up bytes to their places.
    fn write(&mut self) -> Result<(), Error> {
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
