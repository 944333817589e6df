//! Links an object, and has the independent checker say whether that was right: the fields of what
//! was linked, and whether what was refused could have been linked.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rewire_check::{CheckError, Linked, Meaning, Outcome, Span, check};
use rewire_object::error::Culprit;
use rewire_object::reloc::Formula;
use rewire_object::{
    Binding, Bindings, ExecAddr, Image, Layout, LinkError, LinkGraph, Placement, SectionId,
    SectionRole, Segment, SymbolId, SymbolPlace, link, parse, sites,
};

use super::input::{Bound, Object, Place, Spread, SymbolKind};
use super::kinds::Of;
use super::write::{Spot, section_name, symbol_name, write};

const GIB: u64 = 1 << 30;

/// Where the initial image of thread-local variables is said to be.
const THREAD: u64 = 0x6000_0000_0000;

impl Spread {
    fn reach(self) -> Range<ExecAddr> {
        let (start, size) = match self {
            Self::Near => (0x7000_0000_0000, GIB),
            Self::Low => (0x20_0000, GIB),
            Self::Wide => (0x7000_0000_0000, 16 * GIB),
        };
        ExecAddr::new(start)..ExecAddr::new(start + size)
    }

    fn placement(self) -> Placement {
        let code = self.reach().start;
        let apart = match self {
            Self::Near | Self::Low => GIB / 4,
            Self::Wide => 5 * GIB,
        };
        Placement {
            code,
            read_only: code + apart,
            data: code + 2 * apart,
        }
    }

    /// An address near the segments, in none of them.
    fn near(self, offset: u32) -> ExecAddr {
        self.reach().start + GIB / 2 + GIB / 8 + u64::from(offset) % (GIB / 8)
    }
}

/// A finished link.
#[derive(Clone)]
struct Link {
    object: Vec<u8>,
    sections: BTreeMap<usize, u64>,
    symbols: BTreeMap<usize, Meaning>,
    memory: Vec<(u64, Vec<u8>)>,
    /// The address of each field that names something, as the linker tells.
    sites: BTreeSet<u64>,
    /// What lies where, by name.
    starts: BTreeMap<String, u64>,
}

/// Links, and checks all of it.
pub(crate) fn link_and_check(object: &Object) {
    let mut refused: BTreeMap<Spot, LinkError> = BTreeMap::new();
    let good = loop {
        let left_out = refused.keys().cloned().collect();
        match Link::new(object, &left_out) {
            Ok(link) => break link,
            Err(error) => {
                let at = culprit(&error).unwrap_or_else(|| panic!("{error}"));
                let spot = (at.section.clone(), at.offset);
                assert!(
                    !refused.contains_key(&spot),
                    "refused, though left out: {error}"
                );
                refused.insert(spot, error);
            }
        }
    };
    let outcome = good.check(&good.object).unwrap();
    let differences: Vec<String> = outcome
        .differences
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    good.compare_uses(&outcome);
    for (spot, error) in &refused {
        let with_one = refused
            .keys()
            .filter(|other| *other != spot)
            .cloned()
            .collect();
        good.check_refusal(object, &with_one, spot, error);
    }
}

fn culprit(error: &LinkError) -> Option<&Culprit> {
    match error {
        LinkError::Unbound { at }
        | LinkError::OutOfRange { at, .. }
        | LinkError::Discarded { at }
        | LinkError::Mismatch { at, .. }
        | LinkError::StaticThread { at }
        | LinkError::OutsideSection { at } => Some(at),
        _ => None,
    }
}

impl Link {
    fn new(object: &Object, left_out: &BTreeSet<Spot>) -> Result<Self, LinkError> {
        let (bytes, _) = write(object, left_out);
        let graph = parse("fuzz.o", &bytes).unwrap();
        let bindings = bindings(object, &graph);
        let discarded: BTreeSet<String> = (0..object.sections.len())
            .filter(|section| object.is_discarded(*section))
            .map(|section| section_name(object, section))
            .collect();
        let number_of = |id: SectionId| graph.section(id).map(|section| section.name);
        let discard = |id| number_of(id).is_some_and(|name| discarded.contains(name));
        let layout = Layout::new(&graph, &bindings, discard, object.spread.reach())?;
        let placement = object.spread.placement();
        let mut image = Image::default();
        link(&graph, &bindings, &layout, &placement, &mut image)?;
        let sites = sites(&graph, &bindings, &layout, &placement).filter(|site| {
            let place = graph.symbols[site.symbol.index()].place;
            // A field that describes discarded code, and holds 0.
            let is_dead = bindings[site.symbol] == Binding::Own
                && matches!(place, SymbolPlace::Defined { .. })
                && layout.symbol_offset(site.symbol).is_none();
            !matches!(site.kind.formula(), Formula::GotBasePc | Formula::Size)
                && !is_dead
                && bindings[site.symbol] != Binding::Null
        });
        let mut link = Self {
            sections: BTreeMap::new(),
            symbols: BTreeMap::new(),
            memory: memory(object, &placement, &image),
            sites: sites.map(|site| site.at.get()).collect(),
            starts: BTreeMap::new(),
            object: bytes.clone(),
        };
        link.place(&graph, &layout, &placement);
        link.bind(&graph, &bindings, &layout, &placement);
        Ok(link)
    }

    fn place(&mut self, graph: &LinkGraph<'_>, layout: &Layout, placement: &Placement) {
        for (id, section) in graph.section_ids() {
            let in_segment = layout
                .section_offset(id)
                .map(|(segment, offset)| (placement.segment(segment) + offset).get());
            let in_thread = layout.thread_offset(id).map(|offset| THREAD + offset);
            if let Some(at) = in_segment.or(in_thread)
                && section.role != SectionRole::Common
            {
                assert!(
                    at.is_multiple_of(section.align),
                    "{} at {at:#x}",
                    section.name
                );
                self.sections.insert(section.elf_index, at);
                self.starts.insert(section.name.to_owned(), at);
            }
        }
    }

    fn bind(
        &mut self,
        graph: &LinkGraph<'_>,
        bindings: &Bindings,
        layout: &Layout,
        placement: &Placement,
    ) {
        for (id, symbol) in graph.symbol_ids() {
            let address = |address: ExecAddr, call: Option<ExecAddr>| Meaning::Address {
                address: address.get(),
                call: call.map(ExecAddr::get),
            };
            let meaning = match bindings[id] {
                Binding::Own if symbol.place == SymbolPlace::GotBase => {
                    address(placement.read_only + layout.got_offset(), None)
                }
                // The file says how much memory, and not where.
                Binding::Own if graph.is_common(id) => {
                    let place = layout.symbol_offset(id).expect("it is kept");
                    address(placement.segment(place.0) + place.1, None)
                }
                Binding::Own => continue,
                Binding::Address(at) | Binding::Canonical(at) => address(at, None),
                Binding::Tied(at) => {
                    let place = layout.symbol_offset(id);
                    address(
                        at,
                        place.map(|(segment, offset)| placement.segment(segment) + offset),
                    )
                }
                Binding::Foreign { address: at, call } => address(at, Some(call)),
                Binding::FixedSlot { slot, function } => address(slot, Some(function)),
                Binding::Null => Meaning::Null,
                Binding::Thread { module, offset } => Meaning::Thread { module, offset },
                Binding::ThreadOffset(offset) => Meaning::ThreadOffset(offset),
                Binding::Unbound => Meaning::Unbound,
            };
            self.symbols.insert(symbol.elf_index, meaning);
        }
    }

    fn check(&self, object: &[u8]) -> Result<Outcome, CheckError> {
        let spans: Vec<Span<'_>> = self
            .memory
            .iter()
            .map(|(address, bytes)| Span {
                address: *address,
                bytes,
            })
            .collect();
        check(&Linked {
            object,
            sections: self.sections.clone(),
            memory: &spans,
            symbols: self.symbols.clone(),
        })
    }

    /// The uses that the linker tells of are those that the bytes show. Symbols may share an
    /// address, so that only the places can be compared.
    fn compare_uses(&self, outcome: &Outcome) {
        let uses: BTreeSet<u64> = outcome.uses.iter().map(|one| one.at).collect();
        for site in &self.sites {
            assert!(uses.contains(site), "no use at {site:#x}");
        }
    }

    /// What was refused can't be linked.
    fn check_refusal(
        &self,
        object: &Object,
        left_out: &BTreeSet<Spot>,
        spot: &Spot,
        error: &LinkError,
    ) {
        let (bytes, written) = write(object, left_out);
        let one = written.iter().find(|one| one.spot == *spot).unwrap();
        let symbol = &object.symbols[one.symbol];
        let is_discarded = object
            .section_of(symbol)
            .is_some_and(|section| object.is_discarded(section));
        let is_thread = object.is_thread(symbol);
        let is_right = match error {
            LinkError::OutOfRange { value, .. } => {
                // The value's low bytes, which is all that the field can hold.
                let mut wrong = self.clone();
                let at = self.starts[&spot.0] + spot.1;
                wrong.store(at, &value.to_le_bytes()[..one.kind.width]);
                let outcome = wrong.check(&bytes).unwrap();
                let mut differences = outcome.differences.iter();
                differences.any(|one| (&one.section, one.offset) == (&spot.0, spot.1))
            }
            LinkError::Unbound { .. } => {
                matches!(
                    symbol.place,
                    Place::Undefined | Place::In { .. } | Place::SectionItself { .. }
                )
            }
            LinkError::Discarded { .. } => is_discarded,
            LinkError::StaticThread { .. } => {
                let is_bound = matches!(symbol.bound, Bound::ThreadOffset(_));
                let is_section = matches!(symbol.place, Place::SectionItself { .. });
                is_thread && one.kind.of == Of::Offset && (!is_bound || is_section)
            }
            LinkError::Mismatch { .. } => {
                let in_thread = self.is_thread_section(object, &spot.0);
                // Nobody answers for it.
                let is_section = matches!(symbol.place, Place::SectionItself { .. });
                let is_ifunc = symbol.kind == SymbolKind::Indirect;
                match one.kind.of {
                    Of::Address => is_thread || is_ifunc || one.kind.is_relative && in_thread,
                    Of::Got => in_thread,
                    Of::Size => matches!(symbol.place, Place::Undefined),
                    Of::Module => {
                        !is_thread
                            || is_section
                            || !matches!(symbol.bound, Bound::Thread { .. })
                            || in_thread
                            || object.symbols.iter().any(|other| {
                                matches!(
                                    other.bound,
                                    Bound::Thread {
                                        other_module: true,
                                        ..
                                    }
                                )
                            })
                    }
                    Of::Offset => {
                        !is_thread
                            || is_section
                            || !matches!(symbol.bound, Bound::ThreadOffset(_))
                            || in_thread
                    }
                }
            }
            _ => false,
        };
        assert!(
            is_right,
            "refused without need: {error}\n{one:x?}\n{symbol:x?}"
        );
    }

    fn is_thread_section(&self, object: &Object, name: &str) -> bool {
        (0..object.sections.len())
            .any(|it| object.sections[it].kind.is_thread() && section_name(object, it) == name)
    }

    fn store(&mut self, at: u64, bytes: &[u8]) {
        for (start, memory) in &mut self.memory {
            if let Some(offset) = at.checked_sub(*start)
                && let Some(field) = memory.get_mut(offset as usize..)
                && let Some(field) = field.get_mut(..bytes.len())
            {
                field.copy_from_slice(bytes);
            }
        }
    }
}

/// The bytes that were written, and the words of slots.
fn memory(object: &Object, placement: &Placement, image: &Image) -> Vec<(u64, Vec<u8>)> {
    let mut memory = vec![
        (placement.segment(Segment::Code).get(), image.code.clone()),
        (
            placement.segment(Segment::ReadOnly).get(),
            image.read_only.clone(),
        ),
        (placement.segment(Segment::Data).get(), image.data.clone()),
        (THREAD, image.thread.clone()),
    ];
    let mut slots = BTreeMap::new();
    for symbol in &object.symbols {
        if let Some((slot, function)) = slot(object.spread, symbol.bound) {
            slots.insert(slot.get(), function.get());
        }
    }
    memory.extend(
        slots
            .into_iter()
            .map(|(slot, word)| (slot, word.to_le_bytes().to_vec())),
    );
    memory
}

/// The slot that a symbol stands for, and the function that the slot leads to.
fn slot(spread: Spread, bound: Bound) -> Option<(ExecAddr, ExecAddr)> {
    let at = |slot: u32| ExecAddr::new(spread.near(slot).get() & !7);
    // One slot leads to one function.
    match bound {
        Bound::FixedSlot { slot, function } => Some((at(slot), spread.near(function))),
        Bound::FixedSlotOfFar { slot, function } => Some((at(slot), ExecAddr::new(function.get()))),
        _ => None,
    }
}

/// What the caller answers for each symbol.
fn bindings(object: &Object, graph: &LinkGraph<'_>) -> Bindings {
    let mut bindings = graph.default_bindings();
    for number in 0..object.symbols.len() {
        let name = symbol_name(number);
        let ids: Vec<SymbolId> = graph
            .symbol_ids()
            .filter(|(_, symbol)| symbol.name == name)
            .map(|(id, _)| id)
            .collect();
        for id in ids {
            if let Some(binding) = binding(object, number, bindings[id]) {
                bindings.set(id, binding);
            }
        }
    }
    bindings
}

/// The answer for a symbol; `None` if the object's own definition stays.
fn binding(object: &Object, number: usize, own: Binding) -> Option<Binding> {
    let symbol = &object.symbols[number];
    let spread = object.spread;
    let is_thread = object.is_thread(symbol);
    let section = object
        .section_of(symbol)
        .filter(|it| !object.is_discarded(*it));
    let is_body = section
        .is_some_and(|section| object.sections[section].kind == super::input::SectionKind::Text);
    let address = match symbol.bound {
        Bound::Thread {
            other_module,
            offset,
        } if is_thread => {
            return Some(Binding::Thread {
                module: 1 + u64::from(other_module),
                offset: offset.into(),
            });
        }
        Bound::ThreadOffset(offset) if is_thread => {
            return Some(Binding::ThreadOffset(offset.into()));
        }
        _ if is_thread => return None,
        Bound::Near(offset) => spread.near(offset),
        Bound::At(number) => ExecAddr::new(number.get()),
        // A function's own body is what sections that describe bodies mean.
        Bound::Foreign { .. } | Bound::FixedSlot { .. } | Bound::FixedSlotOfFar { .. }
            if is_body =>
        {
            return None;
        }
        Bound::Foreign { address, call } => {
            return Some(Binding::Foreign {
                address: ExecAddr::new(address.get()),
                call: spread.near(call),
            });
        }
        Bound::FixedSlot { .. } | Bound::FixedSlotOfFar { .. } => {
            let (slot, function) = slot(spread, symbol.bound)?;
            return Some(Binding::FixedSlot { slot, function });
        }
        Bound::Null if own == Binding::Unbound => return Some(Binding::Null),
        _ => return None,
    };
    Some(match is_body {
        true => Binding::Canonical(address),
        false => Binding::Address(address),
    })
}
