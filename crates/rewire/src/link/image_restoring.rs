//! Restores an image of the program: everything that the last run of the same units had linked is
//! put where it lay, before anything else is linked.
//!
//! The image is taken whole or not at all. It isn't taken if a name stands for something else than
//! in the last run, or if a place that it needs is in use.

use std::ops::Range;
use std::sync::Arc;

use rewire_llvm::Ordinal;
use rewire_memory::{ExecAddr, RegionKind, Reserved};
use rewire_object::{Frame, RelocKind};

use super::enter_host;
use super::image_making::{aspect_from_byte, stands_for, tier_from_byte};
use crate::base::addresses::BodyAddr;
use crate::base::frame_text::FrameText;
use crate::base::program_image::{
    BoundField, ImageBlock, ImageBound, ImageBytes, NameIdentity, NameStanding, ProgramImage,
};
use crate::base::report::Phase;
use crate::base::tier::Tier;
use crate::core::Core;
use crate::core::outside_request::OutsideAnswer;
use crate::host::symbols::HostSymbol;
use crate::ledger::unit::Unit;
use crate::ledger::{
    BlockMemory, Definition, EntryId, KeptBlock, KeptBound, Ledger, LibraryId, LinkedBlock,
    Located, LoopWords, PlacedDefinition, StaleByte, State, Use,
};

/// Gaps between blocks that are at least so large can be used for something else.
const LEAST_GAP: u64 = 64;

impl Core {
    /// Restores the image of the units that are loaded, if there is one.
    pub(crate) fn restore_image(&self) {
        let Some(kept) = self.kept.as_ref().filter(|kept| kept.images.are_on()) else {
            return;
        };
        // Listeners are told of symbols and sections, which an image doesn't have.
        if self.listeners.are_any() || !kept.images.begin_looking() {
            return;
        }
        let find = self.timings.start(Phase::Find);
        let reach = self.memory.reach();
        let range = reach.end.get() - reach.start.get();
        let recipe = kept.image_recipe(range);
        let found = kept.cache.image(&recipe.key());
        let image = found.and_then(|image| ProgramImage::of_entry(image.head()));
        let image = image.filter(|image| image.range == range);
        find.stop();
        let Some(image) = image else { return };
        let timer = self.timings.start(Phase::Link);
        match Restorer::new(self, image).and_then(Restorer::restore) {
            Some(functions) => {
                kept.cache.note_found(functions);
                self.tiers.note_restored();
                // No code runs yet that could meet the cache's descriptors.
                kept.note_counts();
                tracing::info!(functions, "restored from the cache");
            }
            None => tracing::info!("the image in the cache isn't of use"),
        }
        timer.stop();
    }
}

struct Restorer<'c> {
    core: &'c Core,
    image: ProgramImage,
    start: ExecAddr,
    units: Vec<Arc<Unit>>,
    /// What each name of the image is.
    entries: Vec<EntryId>,
}

/// The memory of the three segments, in the order of [`KINDS`].
type Segments<'c> = [Reserved<'c>; 3];

const KINDS: [RegionKind; 3] = [RegionKind::Code, RegionKind::ReadOnly, RegionKind::Data];

impl<'c> Restorer<'c> {
    /// Finds the names; `None` if one stands for something else.
    fn new(core: &'c Core, image: ProgramImage) -> Option<Self> {
        let kept = core.kept.as_ref()?;
        let mut ledger = core.ledger();
        if !is_untouched(core, &ledger) {
            return None;
        }
        let members = kept.images.members();
        let units = members.iter().map(|one| ledger.unit(one.unit).cloned());
        let units = units.collect::<Option<Vec<_>>>()?;
        let mut entries = Vec::with_capacity(image.names.len());
        for name in &image.names {
            let id = match &name.what {
                NameIdentity::Global { unit, ordinal } => {
                    let unit = units.get(*unit as usize)?;
                    let ordinal = Ordinal::new(*ordinal);
                    let id = unit.entry(ordinal)?;
                    if name.expected == NameStanding::Global {
                        let entry = ledger.entry(id);
                        let is_absent = matches!(entry.state(), State::Absent);
                        if !is_absent || !stands_for(&ledger, id, (unit.id, ordinal)) {
                            return None;
                        }
                    }
                    id
                }
                NameIdentity::Named(name) => {
                    ledger.find_or_enter(LibraryId::MAIN, &Arc::from(&**name))
                }
            };
            entries.push(id);
        }
        drop(ledger);
        Some(Self {
            core,
            image,
            start: core.memory.reach().start,
            units,
            entries,
        })
    }

    /// Restores it, and returns the number of functions.
    fn restore(self) -> Option<u64> {
        self.check()?;
        let mut segments = self.reserve()?;
        self.ask_outside()?;
        self.write(&mut segments)?;
        self.publish(segments)
    }

    /// Checks that all places are within what they belong to.
    fn check(&self) -> Option<()> {
        let names = self.entries.len() as u32;
        let [code, read_only, data] = self.extents();
        let is_inside = |inner: &Range<u32>, outer: &Range<u32>| {
            inner.is_empty() || outer.start <= inner.start && inner.end <= outer.end
        };
        for block in &self.image.blocks {
            let constants = match block.is_joined {
                true => &code,
                false => &read_only,
            };
            let segments = [&block.code, &block.read_only, &block.data];
            let has_place = |at: u32, size: u32| {
                let place = at..at.saturating_add(size);
                segments.iter().any(|segment| is_inside(&place, segment))
            };
            let is_fine = is_inside(&block.code, &code)
                && is_inside(&block.read_only, constants)
                && is_inside(&block.data, &data)
                && block.data_bytes.len() <= block.data.len()
                && (block.unit as usize) < self.units.len()
                && tier_from_byte(block.tier).is_some()
                && block.definitions.iter().all(|one| one.name < names)
                && block.definitions.is_sorted_by_key(|one| one.start)
                && block.uses.iter().all(|one| {
                    one.name < names
                        && RelocKind::from_number(one.kind).is_some()
                        && aspect_from_byte(one.aspect).is_some()
                })
                && block.folds.iter().all(|one| *one < names)
                && block.moved.iter().all(|at| has_place(*at, 8))
                && block.bound.iter().all(|one| {
                    let size = match one.field {
                        BoundField::Word => 8,
                        BoundField::Distance => 4,
                    };
                    one.name < names && has_place(one.at, size)
                });
            if !is_fine {
                return None;
            }
        }
        let mut slots: Vec<u32> = self.image.names.iter().filter_map(|one| one.slot).collect();
        slots.sort_unstable();
        let are_slots_fine = slots.is_sorted_by(|one, other| one < other)
            && slots.last().is_none_or(|last| *last < self.image.slots)
            && self.image.slots < 1 << 24;
        are_slots_fine.then_some(())
    }

    /// The places of all code, all constants and all data.
    fn extents(&self) -> [Range<u32>; 3] {
        let whole = |start: u32, bytes: &ImageBytes| start..start + bytes.len() as u32;
        let data = self.image.blocks.iter().map(|block| &block.data);
        let data = data.filter(|data| !data.is_empty());
        let first = data.clone().map(|data| data.start).min().unwrap_or(0);
        let end = data.map(|data| data.end).max().unwrap_or(0);
        [
            whole(self.image.code_start, &self.image.code),
            whole(self.image.read_only_start, &self.image.read_only),
            first..end,
        ]
    }

    fn reserve(&self) -> Option<Segments<'c>> {
        let [code, read_only, data] = self.extents();
        let reserve = |kind, extent: Range<u32>| {
            let start = self.at(extent.start);
            let size = u64::from(extent.end - extent.start);
            self.core.memory.allocate_exactly(kind, start, size).ok()
        };
        Some([
            reserve(KINDS[0], code)?,
            reserve(KINDS[1], read_only)?,
            reserve(KINDS[2], data)?,
        ])
    }

    fn at(&self, place: u32) -> ExecAddr {
        self.start + u64::from(place)
    }

    /// Looks for the names that others define.
    fn ask_outside(&self) -> Option<()> {
        let names = self.image.names.iter().zip(&self.entries);
        for (name, id) in names {
            let is_wanted = match name.expected {
                NameStanding::Outside => true,
                NameStanding::Nothing => false,
                NameStanding::Global | NameStanding::Slot => continue,
            };
            let (definition, is_present) = {
                let ledger = self.core.ledger();
                let entry = ledger.entry(*id);
                (entry.definition(), entry.is_present())
            };
            if is_present {
                let is_known = matches!(
                    definition,
                    Definition::None | Definition::Absolute | Definition::Engine
                );
                if is_wanted && is_known {
                    continue;
                }
                return None;
            }
            if definition != Definition::None {
                return None;
            }
            let answer = self.core.ask_outside(*id, None).ok()?;
            match (answer, is_wanted) {
                (OutsideAnswer::Nothing, false) => {}
                (OutsideAnswer::Symbol(HostSymbol::Thread { .. }), _) => return None,
                (OutsideAnswer::Symbol(symbol), true) => {
                    let symbol = match symbol {
                        HostSymbol::Variable(bytes) => {
                            HostSymbol::Address(self.core.place_variable(&bytes).ok()?)
                        }
                        other => other,
                    };
                    enter_host(self.core, &mut self.core.ledger(), *id, symbol);
                }
                _ => return None,
            }
        }
        Some(())
    }

    /// Writes the bytes, with what depends on addresses filled in.
    fn write(&self, [code, read_only, data]: &mut Segments<'_>) -> Option<()> {
        code.write(&self.image.code).ok()?;
        let mut constants = self.image.read_only.to_vec();
        let addresses = self.addresses();
        for block in &self.image.blocks {
            let at = |place: u32| u64::from(place - block.data.start);
            if !block.data.is_empty() {
                let from = u64::from(block.data.start) - self.place(data.start());
                data.write_at(from, &block.data_bytes).ok()?;
            }
            let mut fill = |place: u32, value: &[u8]| -> Option<()> {
                if block.data.contains(&place) {
                    let from = u64::from(block.data.start) - self.place(data.start());
                    return data.write_at(from + at(place), value).ok();
                }
                let joined = block.is_joined && block.read_only.contains(&place);
                if block.code.contains(&place) || joined {
                    let from = u64::from(place) - self.place(code.start());
                    return code.write_at(from, value).ok();
                }
                let from = u64::from(place) - self.place(read_only.start());
                let field = constants.get_mut(from as usize..)?.get_mut(..value.len())?;
                field.copy_from_slice(value);
                Some(())
            };
            for place in &block.moved {
                let offset = self.stored(block, *place)?;
                fill(*place, &(self.start.get() + offset).to_le_bytes())?;
            }
            for one in &block.bound {
                let address = addresses[one.name as usize]?;
                let target = address.wrapping_add_signed(one.addend);
                match one.field {
                    BoundField::Word => fill(one.at, &target.to_le_bytes())?,
                    BoundField::Distance => {
                        let from = self.at(one.at).get();
                        let distance = target.wrapping_sub(from) as i64;
                        fill(one.at, &i32::try_from(distance).ok()?.to_le_bytes())?;
                    }
                }
            }
        }
        read_only.write(&constants).ok()
    }

    /// The addresses of the names that others define.
    fn addresses(&self) -> Vec<Option<u64>> {
        let ledger = self.core.ledger();
        let all = self.image.names.iter().zip(&self.entries);
        let all = all.map(|(name, id)| match ledger.entry(*id).state() {
            State::Present(at) if name.expected == NameStanding::Outside => Some(at.addr().get()),
            _ => None,
        });
        all.collect()
    }

    fn place(&self, address: ExecAddr) -> u64 {
        address.get() - self.start.get()
    }

    /// The word at a place, as the image has it.
    fn stored(&self, block: &ImageBlock, place: u32) -> Option<u64> {
        let (bytes, start): (&[u8], u32) = if block.data.contains(&place) {
            (&block.data_bytes, block.data.start)
        } else if block.code.contains(&place) || block.is_joined && block.read_only.contains(&place)
        {
            (&self.image.code, self.image.code_start)
        } else {
            (&self.image.read_only, self.image.read_only_start)
        };
        let word = bytes.get((place - start) as usize..)?.first_chunk()?;
        Some(u64::from_le_bytes(*word))
    }

    /// Puts everything in force at once.
    fn publish(mut self, segments: Segments<'_>) -> Option<u64> {
        let mut ledger = self.core.ledger();
        if !is_untouched(self.core, &ledger) {
            return None;
        }
        let blocks = std::mem::take(&mut self.image.blocks);
        self.free_gaps(&blocks, segments);
        if !ledger.restore_slots(self.image.slots, self.slots(), &self.core.slots) {
            return None;
        }
        let mut functions = 0;
        for block in blocks {
            functions += self.publish_block(&mut ledger, block)?;
        }
        ledger.counts.functions_restored += functions;
        let kept = self.core.kept.as_ref()?;
        kept.images.note_blocks(ledger.linked_blocks());
        drop(ledger);
        self.core.changed.notify_all();
        Some(functions)
    }

    fn slots(&self) -> impl Iterator<Item = (u32, EntryId)> + '_ {
        let names = self.image.names.iter().zip(&self.entries);
        names.filter_map(|(name, id)| Some((name.slot?, *id)))
    }

    /// Keeps the segments, and gives back what lies between the blocks.
    fn free_gaps(&self, blocks: &[ImageBlock], segments: Segments<'_>) {
        for (kind, memory) in KINDS.into_iter().zip(segments) {
            let all = memory.keep();
            let ranges = blocks.iter().map(|block| match kind {
                RegionKind::Code if block.is_joined => block.code.start..block.read_only.end,
                RegionKind::Code => block.code.clone(),
                RegionKind::ReadOnly if block.is_joined => 0..0,
                RegionKind::ReadOnly => block.read_only.clone(),
                _ => block.data.clone(),
            });
            let mut ranges: Vec<_> = ranges.filter(|range| !range.is_empty()).collect();
            ranges.sort_unstable_by_key(|range| range.start);
            let mut end = all.start;
            for range in ranges {
                let start = self.at(range.start);
                if start.offset_from(end) >= LEAST_GAP as i64 {
                    self.core.memory.free_unseen(kind, end..start);
                }
                end = end.max(self.at(range.end));
            }
        }
    }

    /// Enters a block in the ledger, and leads calls to its functions. Returns how many functions
    /// it has.
    fn publish_block(&self, ledger: &mut Ledger, block: ImageBlock) -> Option<u64> {
        let core = self.core;
        let unit = &self.units[block.unit as usize];
        let tier = tier_from_byte(block.tier)?;
        let counted = match unit.is_frozen {
            true => None,
            false => core.tiers.counted_calls(tier),
        };
        let in_force: Vec<_> = block
            .definitions
            .iter()
            .map(|one| one.is_in_force)
            .collect();
        let linked = self.linked_block(&block, tier)?;
        let definitions = linked.definitions.clone();
        let id = ledger.add_block(linked);
        ledger.keep_block(id, Box::new(self.kept_block(block)?));
        let mut functions = 0;
        for (place, (one, is_in_force)) in definitions.iter().zip(in_force).enumerate() {
            if !is_in_force {
                continue;
            }
            let is_function = ledger.entry(one.entry).address_is_stub();
            if is_function {
                functions += 1;
                ledger.set_counted_calls(one.entry, counted);
                ledger.lead_to_body(one.entry, one.start, false, &core.slots);
            }
            ledger.set_present(one.entry, Located::At(one.start));
            ledger.set_placed(one.entry, id, Some(place));
        }
        Some(functions)
    }

    fn linked_block(&self, block: &ImageBlock, tier: Tier) -> Option<LinkedBlock> {
        let at = |place: u32| self.at(place);
        let range = |range: &Range<u32>| at(range.start)..at(range.end);
        let frames = block.frames.iter().map(|frame| Frame {
            start: at(frame.start),
            size: u64::from(frame.size),
            description: at(frame.description),
        });
        let frames: Vec<Frame> = frames.collect();
        let unwind = (!frames.is_empty()).then(|| self.core.unwind.register(&frames));
        let entry = |name: u32| self.entries[name as usize];
        let definitions = block.definitions.iter().map(|one| PlacedDefinition {
            entry: entry(one.name),
            start: BodyAddr::new(at(one.start)),
            size: u64::from(one.size),
            is_live: false,
            // Those are not in images.
            is_continuation: false,
            frame: FrameText::from_number(one.frame),
        });
        let uses = block.uses.iter().map(|one| {
            let kind = RelocKind::from_number(one.kind)?;
            let aspect = aspect_from_byte(one.aspect)?;
            Some(Use::new(
                entry(one.name),
                at(one.at),
                kind,
                aspect,
                one.symbol,
            ))
        });
        Some(LinkedBlock {
            unit: self.units[block.unit as usize].id,
            order: 0,
            place: 0,
            memory: BlockMemory {
                code: range(&block.code),
                read_only: range(&block.read_only),
                data: range(&block.data),
                read_only_kind: match block.is_joined {
                    true => RegionKind::Code,
                    false => RegionKind::ReadOnly,
                },
            },
            definitions: definitions.collect(),
            uses: uses.collect::<Option<_>>()?,
            unwind,
            folds: block.folds.iter().map(|name| entry(*name)).collect(),
            thread_module: None,
            threads_aside: Vec::new(),
            stale_byte: block.stale_byte.map(|place| StaleByte(at(place))),
            frame_counts: None,
            tier,
            loop_words: block.loop_words.map(|(place, count)| LoopWords {
                start: at(place),
                count,
            }),
            is_file: false,
            told: None,
            live_code: 0,
            live: 0,
            pins: 0,
            has_labels: false,
            handles: 0,
        })
    }

    /// What the block contributes to the next image.
    fn kept_block(&self, block: ImageBlock) -> Option<KeptBlock> {
        let part = |bytes: &ImageBytes, start: u32, range: &Range<u32>| match range.is_empty() {
            true => Some(ImageBytes::default()),
            false => {
                let within = |at: u32| Some(at.checked_sub(start)? as usize);
                bytes.part(within(range.start)?..within(range.end)?)
            }
        };
        let (image, joined) = (&self.image, block.is_joined);
        let code = match joined {
            true => block.code.start..block.read_only.end,
            false => block.code.clone(),
        };
        let nothing = image.names.iter().zip(&self.entries);
        let nothing = nothing.filter(|(name, _)| name.expected == NameStanding::Nothing);
        let uses = &block.uses;
        let named = |id: &EntryId| {
            uses.iter()
                .any(|one| self.entries[one.name as usize] == *id)
        };
        let bound = |one: &ImageBound| KeptBound {
            entry: self.entries[one.name as usize],
            at: one.at,
            addend: one.addend,
            field: one.field,
        };
        Some(KeptBlock {
            code: part(&image.code, image.code_start, &code)?,
            read_only: match joined {
                true => ImageBytes::default(),
                false => part(&image.read_only, image.read_only_start, &block.read_only)?,
            },
            nothing: nothing.map(|(_, id)| *id).filter(named).collect(),
            bound: block.bound.iter().map(bound).collect(),
            frames: block.frames,
            moved: block.moved,
            data: block.data_bytes,
        })
    }
}

/// Whether nothing was linked so far, and nothing called or named.
fn is_untouched(core: &Core, ledger: &Ledger) -> bool {
    !ledger.has_linked() && core.slots.in_use() == 0 && ledger.libraries().len() == 1
}
