//! Makes an image of the program from what is linked.

use std::collections::HashMap;
use std::ops::Range;

use rewire_cache::{Entry, Image};
use rewire_llvm::{Level, Ordinal};
use rewire_memory::{ExecAddr, RegionKind};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::base::frame_text::FrameText;
use crate::base::ids::UnitKey;
use crate::base::program_image::{
    ImageBlock, ImageBound, ImageBytes, ImageDefinition, ImageName, ImageUse, NameIdentity,
    NameStanding, ProgramImage,
};
use crate::base::tier::Tier;
use crate::core::Core;
use crate::ledger::{
    BlockId, Definition, EntryId, KeptBlock, Ledger, LibraryId, LinkedBlock, State, Use, UseAspect,
};

/// What isn't worth being kept in one piece: a range with more gaps than code.
const MOST_BYTES: usize = 256 << 20;

impl Core {
    /// Makes the image that the next run of the same units is restored from; `None` if there is
    /// nothing that the last one hasn't.
    pub(crate) fn image_to_keep(&self) -> Option<Image> {
        let kept = self.kept.as_ref()?;
        if !kept.images.are_on() || kept.is_of_parent() {
            return None;
        }
        let ledger = self.ledger();
        let linked = ledger.linked_blocks();
        if kept.images.note_blocks(linked) == linked {
            return None;
        }
        let image = Maker::new(self, &ledger)?.make()?;
        drop(ledger);
        let recipe = kept.image_recipe(image.range);
        let head = Entry::new(&recipe, None, &image.to_bytes());
        Some(Image::new(head, &[]))
    }
}

/// A block that may become part of the image.
struct Candidate<'l> {
    id: BlockId,
    block: &'l LinkedBlock,
    kept: &'l KeptBlock,
    unit: u32,
    /// Whether its code is in force; if not, only its data is taken.
    has_code: bool,
}

impl Candidate<'_> {
    fn is_taken(&self, at: ExecAddr) -> bool {
        self.has_code || !self.code().contains(&at)
    }

    /// The code, with the constants behind it that come and go with it.
    fn code(&self) -> Range<ExecAddr> {
        let memory = &self.block.memory;
        match is_joined(self.block) {
            true => memory.code.start..memory.read_only.end,
            false => memory.code.clone(),
        }
    }
}

fn is_joined(block: &LinkedBlock) -> bool {
    block.memory.read_only_kind == RegionKind::Code
}

struct Maker<'l> {
    core: &'l Core,
    ledger: &'l Ledger,
    start: ExecAddr,
    units: Vec<UnitKey>,
    /// By which global of which unit an entry is found.
    found_by: FxHashMap<EntryId, (u32, Ordinal)>,
    candidates: Vec<Candidate<'l>>,
    names: Vec<ImageName>,
    numbers: HashMap<EntryId, u32, rustc_hash::FxBuildHasher>,
}

impl<'l> Maker<'l> {
    fn new(core: &'l Core, ledger: &'l Ledger) -> Option<Self> {
        let kept = core.kept.as_ref()?;
        let mut found_by = FxHashMap::default();
        let mut numbers_of_units = FxHashMap::default();
        let mut units = Vec::new();
        for (number, member) in kept.images.members().iter().enumerate() {
            let number = number as u32;
            let unit = ledger
                .unit(member.unit)
                .filter(|one| one.library == LibraryId::MAIN)?;
            numbers_of_units.insert(unit.id, number);
            units.push(unit.id);
            let all = (0..).map(Ordinal::new).zip(&unit.entries);
            let all = all.filter_map(|(ordinal, entry)| Some((ordinal, (*entry)?)));
            for (ordinal, entry) in all.chain(unit.own_copies()) {
                let is_own = stands_for(ledger, entry, (unit.id, ordinal));
                if is_own || !found_by.contains_key(&entry) {
                    found_by.insert(entry, (number, ordinal));
                }
            }
        }
        let first = core.tiers.first;
        let is_of_options = |tier| match first {
            Tier::Quick => !matches!(tier, Tier::Fixed(_)),
            _ => tier == first,
        };
        let candidates = ledger.blocks_in_order().filter_map(|(id, block)| {
            let kept = ledger.kept_block(id)?;
            let unit = *numbers_of_units.get(&block.unit)?;
            let mut live = block.definitions.iter().filter(|one| one.is_live);
            // What begins in the middle of a call is made anew when a loop is hot again.
            let is_named = block.live > 0 && !live.all(|one| one.is_continuation);
            (is_named && is_of_options(block.tier)).then(|| Candidate {
                id,
                block,
                kept,
                unit,
                has_code: has_code(ledger, id, block),
            })
        });
        Some(Self {
            core,
            ledger,
            start: core.memory.reach().start,
            units,
            found_by,
            candidates: candidates.collect(),
            names: Vec::new(),
            numbers: HashMap::default(),
        })
    }

    fn make(mut self) -> Option<ProgramImage> {
        self.leave_out_dependent();
        let candidates = std::mem::take(&mut self.candidates);
        if candidates.is_empty() {
            return None;
        }
        let blocks = candidates.iter().map(|one| self.block(one));
        let blocks = blocks.collect::<Option<Vec<_>>>()?;
        let code = candidates.iter().filter(|one| one.has_code);
        let code = code.map(|one| (one.code(), &one.kept.code));
        let (code_start, code) = self.segment(code, 0xcc)?;
        let read_only = candidates.iter().filter(|one| !is_joined(one.block));
        let read_only =
            read_only.map(|one| (one.block.memory.read_only.clone(), &one.kept.read_only));
        let (read_only_start, read_only) = self.segment(read_only, 0)?;
        let slots = self.names.iter().filter_map(|one| one.slot).max();
        let reach = self.core.memory.reach();
        Some(ProgramImage {
            range: reach.end.get() - reach.start.get(),
            slots: slots.map_or(0, |last| last + 1),
            names: self.names,
            blocks,
            code_start,
            code,
            read_only_start,
            read_only,
        })
    }

    /// Leaves blocks out that refer to what isn't part of the image, until none is left.
    fn leave_out_dependent(&mut self) {
        loop {
            let mut placed = FxHashSet::default();
            for one in &self.candidates {
                let definitions = one.block.definitions.iter();
                let taken = definitions.filter(|it| it.is_live && one.is_taken(it.start.addr()));
                placed.extend(taken.map(|it| it.entry));
            }
            let before = self.candidates.len();
            let candidates = std::mem::take(&mut self.candidates);
            let stay = candidates
                .into_iter()
                .filter(|one| self.can_stay(one, &placed));
            self.candidates = stay.collect();
            if self.candidates.len() == before {
                return;
            }
        }
    }

    fn can_stay(&self, one: &Candidate<'_>, placed: &FxHashSet<EntryId>) -> bool {
        let ledger = self.ledger;
        let mut definitions = (0..).zip(&one.block.definitions);
        let are_known = definitions.all(|(place, it)| {
            let entry = ledger.entry(it.entry);
            !it.is_live
                || !one.is_taken(it.start.addr())
                || self.global(it.entry).is_some()
                    && entry.placed() == Some((one.id, place))
                    && matches!(entry.state(), State::Present(at) if *at == it.start)
        });
        let mut uses = one.block.uses.iter().filter(|it| one.is_taken(it.at));
        let mut bound = one.kept.bound.iter().map(|it| it.entry);
        let mut folds = one.block.folds.iter();
        are_known
            && one.block.pins == 0
            && one.block.frame_counts.is_none()
            && uses.all(|it| self.is_restored(it, placed))
            && bound.all(|id| self.identity(id).is_some())
            && one
                .kept
                .nothing
                .iter()
                .all(|id| self.identity(*id).is_some())
            && folds.all(|id| self.global(*id).is_some())
    }

    /// Whether what a place depends on lies there in the next run.
    fn is_restored(&self, one: &Use, placed: &FxHashSet<EntryId>) -> bool {
        let entry = self.ledger.entry(one.entry);
        let has_slot = entry.slot().is_some() && self.identity(one.entry).is_some();
        match one.aspect {
            UseAspect::Slot => has_slot,
            UseAspect::Address if entry.address_is_stub() => has_slot,
            UseAspect::Address | UseAspect::Direct => match entry.definition() {
                Definition::Ir(..) => placed.contains(&one.entry),
                // Such a field is bound, or null, or leads to the name's stub.
                Definition::None | Definition::Absolute | Definition::Engine => {
                    self.identity(one.entry).is_some()
                }
                _ => false,
            },
        }
    }

    /// Returns the global that a name stands for.
    fn global(&self, id: EntryId) -> Option<(u32, Ordinal)> {
        let (number, ordinal) = *self.found_by.get(&id)?;
        let unit = *self.units.get(number as usize)?;
        stands_for(self.ledger, id, (unit, ordinal)).then_some((number, ordinal))
    }

    fn identity(&self, id: EntryId) -> Option<NameIdentity> {
        if let Some((unit, ordinal)) = self.found_by.get(&id) {
            return Some(NameIdentity::Global {
                unit: *unit,
                ordinal: ordinal.bits() as u32,
            });
        }
        let entry = self.ledger.entry(id);
        let is_found = self.ledger.find(LibraryId::MAIN, entry.name()) == Some(id);
        is_found.then(|| NameIdentity::Named((**entry.name()).into()))
    }

    /// Returns the number of a name, of which at least this is expected.
    fn number(&mut self, id: EntryId, expected: NameStanding) -> Option<u32> {
        let number = match self.numbers.get(&id) {
            Some(number) => *number,
            None => {
                let number = self.names.len() as u32;
                let expected = match self.global(id) {
                    Some(_) => NameStanding::Global,
                    None => NameStanding::Slot,
                };
                self.names.push(ImageName {
                    what: self.identity(id)?,
                    expected,
                    slot: self.ledger.entry(id).slot().map(|slot| slot.index() as u32),
                });
                self.numbers.insert(id, number);
                number
            }
        };
        let known = &mut self.names[number as usize].expected;
        if *known == NameStanding::Slot {
            *known = expected;
        }
        Some(number)
    }

    fn block(&mut self, one: &Candidate<'_>) -> Option<ImageBlock> {
        let (block, kept) = (one.block, one.kept);
        let place = |at: ExecAddr| u32::try_from(at.offset_from(self.start)).ok();
        let range = |range: &Range<ExecAddr>| Some(place(range.start)?..place(range.end)?);
        let memory = &block.memory;
        let empty = |start| range(&(start..start));
        let image = ImageBlock {
            unit: one.unit,
            tier: tier_to_byte(block.tier),
            is_joined: is_joined(block),
            code: match one.has_code {
                true => range(&memory.code)?,
                false => empty(memory.code.start)?,
            },
            read_only: match one.has_code || !is_joined(block) {
                true => range(&memory.read_only)?,
                // They go with the code, of which nothing is taken.
                false => empty(memory.code.start)?,
            },
            data: range(&memory.data)?,
            data_bytes: kept.data.clone(),
            stale_byte: match block.stale_byte {
                Some(byte) => Some(place(byte.0)?),
                None => None,
            },
            loop_words: match block.loop_words {
                Some(words) => Some((place(words.start)?, words.count)),
                None => None,
            },
            ..ImageBlock::default()
        };
        let is_taken = |at: &u32| one.is_taken(self.start + u64::from(*at));
        let moved = kept.moved.iter().copied().filter(is_taken).collect();
        let frames = kept
            .frames
            .iter()
            .filter(|_| one.has_code)
            .copied()
            .collect();
        let bound: Vec<_> = kept.bound.iter().filter(|it| is_taken(&it.at)).collect();
        let definitions = block.definitions.iter().filter(|it| {
            one.is_taken(it.start.addr()) && (it.is_live || self.global(it.entry).is_some())
        });
        let definitions: Vec<_> = definitions.collect();
        let uses: Vec<_> = block.uses.iter().filter(|it| one.is_taken(it.at)).collect();
        let folds = block.folds.iter().filter(|_| one.has_code);
        let start = self.start;
        let place = |at: ExecAddr| u32::try_from(at.offset_from(start)).ok();
        Some(ImageBlock {
            moved,
            frames,
            definitions: definitions
                .into_iter()
                .map(|it| {
                    Some(ImageDefinition {
                        name: self.number(it.entry, NameStanding::Global)?,
                        start: place(it.start.addr())?,
                        size: u32::try_from(it.size).ok()?,
                        frame: FrameText::to_number(it.frame),
                        is_in_force: it.is_live,
                    })
                })
                .collect::<Option<_>>()?,
            uses: uses
                .into_iter()
                .map(|it| {
                    Some(ImageUse {
                        name: self.number(it.entry, NameStanding::Slot)?,
                        at: place(it.at)?,
                        symbol: it.symbol,
                        kind: it.kind.number(),
                        aspect: aspect_to_byte(it.aspect),
                    })
                })
                .collect::<Option<_>>()?,
            folds: folds
                .map(|id| self.number(*id, NameStanding::Global))
                .collect::<Option<_>>()?,
            bound: {
                for id in &kept.nothing {
                    self.number(*id, NameStanding::Nothing)?;
                }
                let bound = bound.into_iter().map(|it| {
                    Some(ImageBound {
                        name: self.number(it.entry, NameStanding::Outside)?,
                        at: it.at,
                        addend: it.addend,
                        field: it.field,
                    })
                });
                bound.collect::<Option<_>>()?
            },
            ..image
        })
    }

    /// Puts pieces of a segment side by side, with the gaps that are between them.
    fn segment<'p>(
        &self,
        pieces: impl Iterator<Item = (Range<ExecAddr>, &'p ImageBytes)> + Clone,
        padding: u8,
    ) -> Option<(u32, ImageBytes)> {
        let pieces = pieces.filter(|(range, _)| !range.is_empty());
        let start = pieces.clone().map(|(range, _)| range.start).min();
        let end = pieces.clone().map(|(range, _)| range.end).max();
        let Some((start, end)) = start.zip(end) else {
            return Some((0, ImageBytes::default()));
        };
        let size = end.offset_from(start) as usize;
        if size > MOST_BYTES {
            return None;
        }
        let mut bytes = vec![padding; size];
        for (range, piece) in pieces {
            let at = range.start.offset_from(start) as usize;
            bytes.get_mut(at..at + piece.len())?.copy_from_slice(piece);
        }
        let start = u32::try_from(start.offset_from(self.start)).ok()?;
        Some((start, ImageBytes::Own(bytes)))
    }
}

/// Whether a name stands for a global of a unit.
pub(super) fn stands_for(
    ledger: &Ledger,
    id: EntryId,
    (unit, ordinal): (UnitKey, Ordinal),
) -> bool {
    let entry = ledger.entry(id);
    entry.definition() == Definition::Ir(unit, ordinal) || entry.elected() == Some((unit, ordinal))
}

/// Whether names stand for the code of a block, all of it.
fn has_code(ledger: &Ledger, id: BlockId, block: &LinkedBlock) -> bool {
    let mut code = (0..)
        .zip(&block.definitions)
        .filter(|(_, one)| one.is_live && one.is_in(&block.memory.code));
    block.live_code > 0
        && code.all(|(place, one)| ledger.entry(one.entry).placed() == Some((id, place)))
}

fn tier_to_byte(tier: Tier) -> u8 {
    match tier {
        Tier::Quick => 0,
        Tier::Optimised(level) => 1 + level as u8,
        Tier::Fixed(level) => 17 + level as u8,
    }
}

pub(super) fn tier_from_byte(byte: u8) -> Option<Tier> {
    let levels = [Level::O0, Level::O1, Level::O2, Level::O3];
    let level = |number: u8| levels.get(usize::from(number)).copied();
    match byte {
        0 => Some(Tier::Quick),
        1..17 => level(byte - 1).map(Tier::Optimised),
        _ => level(byte - 17).map(Tier::Fixed),
    }
}

fn aspect_to_byte(aspect: UseAspect) -> u8 {
    match aspect {
        UseAspect::Slot => 0,
        UseAspect::Direct => 1,
        UseAspect::Address => 2,
    }
}

pub(super) fn aspect_from_byte(byte: u8) -> Option<UseAspect> {
    Some(match byte {
        0 => UseAspect::Slot,
        1 => UseAspect::Direct,
        2 => UseAspect::Address,
        _ => return None,
    })
}
