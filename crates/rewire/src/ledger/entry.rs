//! What the ledger knows of one name.

use std::sync::Arc;

use rewire_llvm::{Global, Linkage, Ordinal, TypeId, Visibility};
use rewire_memory::SlotId;

use smallvec::SmallVec;

use super::uses::{BlockId, UseRef};
use crate::base::addresses::BodyAddr;
use crate::base::error::Error;
use crate::base::ids::{EntryId, EntryKind, Generation, LibraryId, ThreadKey, UnitKey};

/// Where a name's definition comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Definition {
    /// Nothing that was loaded defines it; the host process may.
    None,
    /// A global of a unit's IR.
    Ir(UnitKey, Ordinal),
    /// Another name for a place in what another entry stands for.
    Alias(EntryId, i64),
    /// A function that a resolver chooses when it is first called.
    Ifunc(EntryId),
    /// What stands at the canonical address of a function that has prefix or prologue data: that
    /// data, and a jump through the function's slot.
    PrefixedStub(UnitKey, Ordinal),
    /// Module-level assembly of a unit.
    Assembly(UnitKey),
    /// An address that the client gave.
    Absolute,
    /// IR that the client makes when the function is first called.
    Lazy,
    /// The engine itself.
    Engine,
}

impl Definition {
    /// The unit that it comes from.
    pub(crate) fn unit(self) -> Option<UnitKey> {
        match self {
            Self::Ir(unit, _) | Self::PrefixedStub(unit, _) | Self::Assembly(unit) => Some(unit),
            _ => None,
        }
    }
}

/// How far a definition has come.
#[derive(Clone, Debug)]
pub(crate) enum State {
    /// Nothing has been made of it.
    Absent,
    /// This thread is compiling it, or looks it up.
    Pending(ThreadKey),
    /// It is in memory.
    Present(BodyAddr),
    /// It is a thread-local variable: module and offset as `__tls_get_addr` takes them.
    PerThread {
        /// The module's number.
        module: u64,
        /// Bytes.
        offset: u64,
    },
    /// It could not be made, and why.
    Failed(Arc<Error>),
}

/// One name for its whole life.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The library that it is a name of.
    pub(crate) library: LibraryId,
    /// As the linker sees it; empty for unnamed locals.
    pub(crate) name: Arc<str>,
    /// Its type, once something has said so.
    pub(crate) value_type: Option<ValueType>,
    /// Of the elected definition, else of a declaration.
    pub(crate) linkage: Linkage,
    /// Of the elected definition.
    pub(crate) visibility: Visibility,
    pub(crate) kind: EntryKind,
    pub(crate) definition: Definition,
    /// Which unit's global won, be it a body, a variable or an alias.
    pub(crate) elected: Option<(UnitKey, Ordinal)>,
    /// Definitions of the name that did not win, and would if the one in force left.
    pub(crate) alternatives: Vec<(UnitKey, Ordinal)>,
    /// The globals of units that name it.
    pub(crate) mentions: SmallVec<[Mention; 1]>,
    pub(crate) generation: Generation,
    pub(crate) state: State,
    /// The linked definition in force: its block, and its place there.
    pub(crate) placed: Option<(BlockId, u32)>,
    /// The slot, and with it the stub, once somebody has named the function.
    pub(crate) slot: Option<SlotId>,
    /// The entry of what stands at its canonical address, if that isn't the stub.
    pub(crate) prefixed_stub: Option<EntryId>,
    /// Every place that depends on it.
    pub(crate) users: Vec<UseRef>,
    /// Blocks whose code may have been made with the value that this constant has.
    pub(crate) inliners: Vec<BlockId>,
    /// It was called through the engine's first-call path.
    pub(crate) called: bool,
    /// Its body was made before anybody called it.
    pub(crate) is_ahead: bool,
    /// Frozen code calls the host's function of this name directly: it can't be defined any more.
    pub(crate) is_bound: bool,
    /// This thread is changing what stands for the name.
    pub(crate) changing: Option<ThreadKey>,
    /// Its address was given out, to code, data or the client: it stays its own for ever.
    pub(crate) has_escaped: bool,
    /// How many changes that can be undone know what it stood for.
    pub(crate) remembered: u32,
    /// It stands for the memory of a variable whose name has other memory by now, or none.
    pub(crate) is_aside: bool,
    /// It was defined, and its definition was removed while others used it.
    pub(crate) is_removed: bool,
    /// Bytes of the variable; 0 for all else.
    pub(crate) size: u64,
}

/// A global of a unit that names an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    pub(super) unit: UnitKey,
    pub(super) ordinal: Ordinal,
}

/// The type of what a name stands for.
#[derive(Clone, Debug)]
pub(crate) struct ValueType {
    /// As IR writes it, for people.
    pub(crate) name: Arc<str>,
    /// What tells it from others.
    pub(crate) id: TypeId,
}

impl ValueType {
    pub(crate) fn of(global: &Global) -> Self {
        Self {
            name: global.type_name.clone(),
            id: global.type_id,
        }
    }
}

impl Entry {
    pub(crate) fn new(library: LibraryId, name: Arc<str>) -> Self {
        Self {
            library,
            name,
            value_type: None,
            linkage: Linkage::External,
            visibility: Visibility::Default,
            kind: EntryKind::Unknown,
            definition: Definition::None,
            elected: None,
            alternatives: Vec::new(),
            mentions: SmallVec::new(),
            generation: Generation::default(),
            state: State::Absent,
            placed: None,
            slot: None,
            prefixed_stub: None,
            users: Vec::new(),
            inliners: Vec::new(),
            called: false,
            is_ahead: false,
            is_bound: false,
            changing: None,
            has_escaped: false,
            remembered: 0,
            is_aside: false,
            is_removed: false,
            size: 0,
        }
    }

    /// Its type as IR writes it.
    pub(crate) fn type_name(&self) -> Option<&Arc<str>> {
        self.value_type.as_ref().map(|it| &it.name)
    }

    pub(crate) fn is_present(&self) -> bool {
        matches!(self.state, State::Present(_) | State::PerThread { .. })
    }

    /// Whether its address is its slot's stub: what that leads to may change, or, of a frozen unit,
    /// is not known yet.
    pub(crate) fn address_is_stub(&self) -> bool {
        match self.definition {
            Definition::Ir(..) => self.kind == EntryKind::Function,
            Definition::Ifunc(_) | Definition::Lazy => true,
            _ => false,
        }
    }

    /// Whether who names it has the place of its definition: of a function, only if it is
    /// assembly's.
    pub(crate) fn is_fixed(&self) -> bool {
        self.kind != EntryKind::Function || matches!(self.definition, Definition::Assembly(_))
    }

    /// What messages call it.
    pub(crate) fn label(&self) -> &str {
        if self.name.is_empty() {
            "(unnamed)"
        } else {
            &self.name
        }
    }
}

impl Entry {
    /// A global that says what type it is and how it is called.
    pub(crate) fn described(&self) -> Option<(UnitKey, Ordinal)> {
        let first = self.mentions.first();
        self.elected
            .or_else(|| first.map(|one| (one.unit, one.ordinal)))
    }

    /// The globals of units that define or declare it.
    pub(crate) fn mentioned(&self) -> impl Iterator<Item = (UnitKey, Ordinal)> {
        self.mentions.iter().map(|one| (one.unit, one.ordinal))
    }
}
