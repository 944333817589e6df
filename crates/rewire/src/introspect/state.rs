//! A view of one ledger entry.

use std::sync::Arc;

use rewire_memory::ExecAddr;
use rewire_object::RelocKind;

use crate::base::ids::UnitId;
use crate::core::Core;
use crate::ledger::unit::Unit;
use crate::ledger::{
    Definition, Entry, EntryKind, Generation, Ledger, LibraryId, State, UseAspect,
};

/// What the ledger knows of a name, at the moment of asking.
#[derive(Clone, Debug)]
pub struct FunctionState {
    /// The name.
    pub name: Arc<str>,
    /// Its type, as IR writes it.
    pub type_name: Option<Arc<str>>,
    /// How a function takes or gives a value where a function pointer of C says nothing of it:
    /// `argument 1 byval(%pair)`.
    pub passing: Option<Arc<str>>,
    /// Its linkage.
    pub linkage: rewire_llvm::Linkage,
    /// What kind of thing it is.
    pub kind: EntryKind,
    /// The unit that defines it.
    pub unit: Option<Arc<str>>,
    /// That unit's number: also of one that a resolver or a closure has brought.
    pub unit_id: Option<UnitId>,
    /// Bytes of the variable; 0 for all else.
    pub size: u64,
    /// The number of the definition in force; 0 before there is one.
    pub generation: Generation,
    /// Where the body or the variable is now; `None` before it is linked.
    pub address: Option<ExecAddr>,
    /// The one address that it has for its whole life; `None` as long as nobody asked.
    pub canonical: Option<ExecAddr>,
    /// Everyone who uses it.
    pub users: Vec<User>,
    /// The functions whose code may hold a copy of its value or body.
    pub inliners: Vec<Arc<str>>,
}

/// What a name is, without where it is and who uses it: [`FunctionState`]'s cheap part.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Descriptor {
    /// The name.
    pub name: Arc<str>,
    /// Its type, as IR writes it.
    pub type_name: Option<Arc<str>>,
    /// Its linkage.
    pub linkage: rewire_llvm::Linkage,
    /// What kind of thing it is.
    pub kind: EntryKind,
    /// The unit that defines it.
    pub unit: Option<Arc<str>>,
    /// That unit's number: also of one that a resolver or a closure has brought.
    pub unit_id: Option<UnitId>,
}

/// One place that depends on a name.
#[derive(Clone, Debug)]
pub struct User {
    /// The function or variable that contains the place.
    pub name: Option<Arc<str>>,
    /// The address of the field that was fixed up.
    pub at: ExecAddr,
    /// How it was fixed up.
    pub kind: RelocKind,
    /// What it takes of the name.
    pub aspect: UseAspect,
}

/// Where an address of compiled code lies.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SymbolAt {
    /// The function, as the linker sees its name; empty for one without a name.
    pub name: Arc<str>,
    /// Bytes from the start of the body, or of the stub.
    pub offset: u64,
    /// What the address is in.
    pub place: SymbolPlace,
}

/// What part of a function an address is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolPlace {
    /// The body that calls go to now.
    Body,
    /// A body that was replaced, and in which threads may still be.
    FormerBody,
    /// The function's canonical address, or the few instructions behind it.
    Stub,
}

/// What is at an address; costs O(log n) of what was linked.
pub(crate) fn at(core: &Core, address: ExecAddr) -> Option<SymbolAt> {
    let ledger = core.ledger();
    if let Some((slot, offset)) = core.slots.at_stub(address) {
        let entry = ledger.entry(ledger.of_slot(slot)?);
        return Some(SymbolAt {
            name: entry.name.clone(),
            offset,
            place: SymbolPlace::Stub,
        });
    }
    let (_, defined) = ledger.definition_at(address)?;
    let entry = ledger.entry(defined.entry);
    let is_front = matches!(entry.definition, Definition::PrefixedStub(..));
    let is_current = matches!(entry.state, State::Present(now) if now == defined.start);
    Some(SymbolAt {
        name: entry.name.clone(),
        offset: address.get() - defined.start.addr().get(),
        place: if is_front {
            SymbolPlace::Stub
        } else if is_current {
            SymbolPlace::Body
        } else {
            SymbolPlace::FormerBody
        },
    })
}

/// Costs the same however many users the name has.
pub(crate) fn descriptor(core: &Core, library: LibraryId, name: &str) -> Option<Descriptor> {
    let ledger = core.ledger();
    let (id, _) = ledger.target(ledger.seen_by_code(library, name)?);
    let entry = ledger.entry(id);
    Some(Descriptor {
        name: entry.name.clone(),
        type_name: entry.type_name().cloned(),
        linkage: entry.linkage,
        kind: entry.kind,
        unit: unit_of(&ledger, entry).map(|unit| unit.name.clone()),
        unit_id: unit_of(&ledger, entry).map(|unit| unit.number()),
    })
}

/// The unit that defines an entry.
fn unit_of<'l>(ledger: &'l Ledger, entry: &Entry) -> Option<&'l Unit> {
    let unit = match entry.definition {
        Definition::Ir(unit, _) | Definition::Assembly(unit) => ledger.unit(unit),
        _ => None,
    };
    unit.map(|unit| &**unit)
}

pub(crate) fn of(core: &Core, library: LibraryId, name: &str) -> Option<FunctionState> {
    let ledger = core.ledger();
    let (id, _) = ledger.target(ledger.seen_by_code(library, name)?);
    let entry = ledger.entry(id);
    let address = match entry.state {
        State::Present(address) => Some(address.addr()),
        _ => None,
    };
    let stub = entry.slot.map(|slot| core.slots.canonical(slot));
    let users = ledger.users(id).map(|(within, one)| User {
        name: within.map(|within| ledger.entry(within).name.clone()),
        at: one.at,
        kind: one.kind,
        aspect: one.aspect,
    });
    Some(FunctionState {
        name: entry.name.clone(),
        type_name: entry.type_name().cloned(),
        passing: entry.described().and_then(|(unit, ordinal)| {
            let globals = &ledger.unit(unit)?.index.globals;
            let contract = &globals.get(ordinal.index())?.contract;
            contract.unusual_passing().map(Arc::from)
        }),
        linkage: entry.linkage,
        kind: entry.kind,
        unit: unit_of(&ledger, entry).map(|unit| unit.name.clone()),
        unit_id: unit_of(&ledger, entry).map(|unit| unit.number()),
        size: entry.size,
        generation: entry.generation,
        address,
        canonical: if let Some(front) = entry.prefixed_stub {
            match ledger.entry(front).state {
                State::Present(address) => Some(address.addr()),
                _ => None,
            }
        } else if entry.address_is_stub() {
            stub
        } else {
            address
        },
        users: users.collect(),
        inliners: {
            let inliners = ledger.inliners(id).into_iter();
            inliners.map(|id| ledger.entry(id).label().into()).collect()
        },
    })
}
