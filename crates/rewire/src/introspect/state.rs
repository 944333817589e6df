//! [`FunctionState`], [`Descriptor`] and [`SymbolAt`]: views of ledger entries for clients.

use std::sync::Arc;

use rewire_memory::ExecAddr;
use rewire_object::RelocKind;

use crate::base::ids::UnitId;
use crate::core::Core;
use crate::ledger::unit::Unit;
use crate::ledger::{
    Definition, Entry, EntryKind, Generation, Ledger, LibraryId, State, UseAspect,
};

/// What the engine knows about a name, at the moment of asking.
#[derive(Clone, Debug)]
pub struct FunctionState {
    /// The name.
    pub name: Arc<str>,
    /// The type, as IR writes it; `None` if it isn't known.
    pub type_name: Option<Arc<str>>,
    /// How a function passes a value where a C function pointer type doesn't tell: `argument 1
    /// byval(%pair)`.
    pub passing: Option<Arc<str>>,
    /// The linkage.
    pub linkage: rewire_llvm::Linkage,
    /// The kind of definition.
    pub kind: EntryKind,
    /// The name of the unit that defines it.
    pub unit: Option<Arc<str>>,
    /// That unit's ID, also if a resolver or closure supplied the unit.
    pub unit_id: Option<UnitId>,
    /// The variable's size in bytes; 0 for anything else.
    pub size: u64,
    /// The generation of the definition in force; 0 before there is one.
    pub generation: Generation,
    /// The address of the body or variable now; `None` before it is linked.
    pub address: Option<ExecAddr>,
    /// The canonical address; `None` as long as nothing has asked for it. For a function of IR it
    /// never changes. For anything else it is the same as `address`, which a change may alter.
    pub canonical: Option<ExecAddr>,
    /// All uses of the name in linked code and data in force. Callers that aren't compiled yet have
    /// no places, so they are missing here; [`Engine::inspect`](crate::Engine::inspect) finds users
    /// in the IR.
    pub users: Vec<User>,
    /// The functions whose linked code may contain a copy of its value or body.
    pub inliners: Vec<Arc<str>>,
}

/// What a name is, without its addresses and users: the part of [`FunctionState`] that is cheap to
/// get.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Descriptor {
    /// The name.
    pub name: Arc<str>,
    /// The type, as IR writes it; `None` if it isn't known.
    pub type_name: Option<Arc<str>>,
    /// The linkage.
    pub linkage: rewire_llvm::Linkage,
    /// The kind of definition.
    pub kind: EntryKind,
    /// The name of the unit that defines it.
    pub unit: Option<Arc<str>>,
    /// That unit's ID, also if a resolver or closure supplied the unit.
    pub unit_id: Option<UnitId>,
}

/// A place in linked code or data that depends on a name.
#[derive(Clone, Debug)]
pub struct User {
    /// The function or variable that contains the place, if any does.
    pub name: Option<Arc<str>>,
    /// The address of the relocated field.
    pub at: ExecAddr,
    /// The kind of relocation.
    pub kind: RelocKind,
    /// What the use takes from the name.
    pub aspect: UseAspect,
}

/// The function that an address of compiled code belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SymbolAt {
    /// The function's symbol name (mangled); empty if it has none.
    pub name: Arc<str>,
    /// The offset in bytes from the start of the body or stub.
    pub offset: u64,
    /// The part of the function that the address is in.
    pub place: SymbolPlace,
}

/// The parts of a function that an address may be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolPlace {
    /// The body in force.
    Body,
    /// A former body, in which threads may still be.
    FormerBody,
    /// The function's stub, at its canonical address.
    Stub,
}

/// Implements [`Engine::symbol_at`](crate::Engine::symbol_at); costs O(log n) of what is linked.
pub(crate) fn at(core: &Core, address: ExecAddr) -> Option<SymbolAt> {
    let ledger = core.ledger();
    if let Some((slot, offset)) = core.slots.at_stub(address) {
        let entry = ledger.entry(ledger.of_slot(slot)?);
        return Some(SymbolAt {
            name: entry.name().clone(),
            offset,
            place: SymbolPlace::Stub,
        });
    }
    let (_, defined) = ledger.definition_at(address)?;
    let entry = ledger.entry(defined.entry);
    let is_front = matches!(entry.definition(), Definition::PrefixedStub(..));
    let is_current = matches!(entry.state(), State::Present(now) if *now == defined.start);
    Some(SymbolAt {
        name: entry.name().clone(),
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

/// Implements [`Library::descriptor`](crate::Library::descriptor). Costs the same however many
/// users the name has.
pub(crate) fn descriptor(core: &Core, library: LibraryId, name: &str) -> Option<Descriptor> {
    let ledger = core.ledger();
    let (id, _) = ledger.target(ledger.seen_by_code(library, name)?);
    let entry = ledger.entry(id);
    Some(Descriptor {
        name: entry.name().clone(),
        type_name: entry.type_name().cloned(),
        linkage: entry.linkage(),
        kind: entry.kind(),
        unit: unit_of(&ledger, entry).map(|unit| unit.name.clone()),
        unit_id: unit_of(&ledger, entry).map(|unit| unit.number()),
    })
}

/// Returns the unit that defines an entry.
fn unit_of<'l>(ledger: &'l Ledger, entry: &Entry) -> Option<&'l Unit> {
    let unit = match entry.definition() {
        Definition::Ir(unit, _) | Definition::Assembly(unit) => ledger.unit(unit),
        _ => None,
    };
    unit.map(|unit| &**unit)
}

pub(crate) fn of(core: &Core, library: LibraryId, name: &str) -> Option<FunctionState> {
    let ledger = core.ledger();
    let (id, _) = ledger.target(ledger.seen_by_code(library, name)?);
    let entry = ledger.entry(id);
    let address = match entry.state() {
        State::Present(address) => Some(address.addr()),
        _ => None,
    };
    let stub = entry.slot().map(|slot| core.slots.canonical(slot));
    let users = ledger.users(id).map(|(within, one)| User {
        name: within.map(|within| ledger.entry(within).name().clone()),
        at: one.at,
        kind: one.kind,
        aspect: one.aspect,
    });
    Some(FunctionState {
        name: entry.name().clone(),
        type_name: entry.type_name().cloned(),
        passing: entry.described().and_then(|(unit, ordinal)| {
            let globals = &ledger.unit(unit)?.index.globals;
            let contract = &globals.get(ordinal.index())?.contract;
            contract.unusual_passing().map(Arc::from)
        }),
        linkage: entry.linkage(),
        kind: entry.kind(),
        unit: unit_of(&ledger, entry).map(|unit| unit.name.clone()),
        unit_id: unit_of(&ledger, entry).map(|unit| unit.number()),
        size: entry.size(),
        generation: entry.generation(),
        address,
        canonical: if let Some(front) = entry.prefixed_stub() {
            match ledger.entry(front).state() {
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
