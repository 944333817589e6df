//! [`Entry`]: everything that the ledger records for one name.

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
    /// A global in the IR of a unit.
    Ir(UnitKey, Ordinal),
    /// An alias: an offset into what another entry stands for.
    Alias(EntryId, i64),
    /// An indirect function (`ifunc`): its resolver function chooses the target when it is first
    /// called.
    Ifunc(EntryId),
    /// The prefixed stub of a function with prefix or prologue data: at the function's canonical
    /// address lie that data and a jump through the function's slot.
    PrefixedStub(UnitKey, Ordinal),
    /// Module-level assembly, or a label in inline assembly, of a unit.
    Assembly(UnitKey),
    /// An address that the client defined.
    Absolute,
    /// A closure of the client, which makes the IR when the function is first called.
    Lazy,
    /// Something that the engine itself supplies.
    Engine,
}

impl Definition {
    /// The unit that the definition comes from.
    pub(crate) fn unit(self) -> Option<UnitKey> {
        match self {
            Self::Ir(unit, _) | Self::PrefixedStub(unit, _) | Self::Assembly(unit) => Some(unit),
            _ => None,
        }
    }
}

/// How far a definition has been materialized.
#[derive(Clone, Debug)]
pub(crate) enum State {
    /// It isn't in memory, and no thread is materializing it.
    Absent,
    /// A thread has claimed it: the thread is compiling it or looking it up.
    Pending(ThreadKey),
    /// It is in memory.
    Present(BodyAddr),
    /// It is a thread-local variable; module and offset are those of `__tls_get_addr`.
    PerThread {
        /// The module's number.
        module: u64,
        /// The offset in bytes.
        offset: u64,
    },
    /// It could not be materialized, for this reason.
    Failed(Arc<Error>),
}

/// Where a definition is that is in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Located {
    /// For all threads at one address.
    At(BodyAddr),
    /// For each thread elsewhere: module and offset as `__tls_get_addr` takes them.
    PerThread {
        /// The module's number.
        module: u64,
        /// Bytes.
        offset: u64,
    },
}

impl From<Located> for State {
    fn from(located: Located) -> Self {
        match located {
            Located::At(address) => Self::Present(address),
            Located::PerThread { module, offset } => Self::PerThread { module, offset },
        }
    }
}

/// A name and its state, for the name's whole life.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The library that the name belongs to.
    pub(super) library: LibraryId,
    /// The symbol name (mangled); empty for unnamed locals.
    pub(super) name: Arc<str>,
    /// The type, once a definition or declaration has stated it.
    pub(super) value_type: Option<ValueType>,
    /// The linkage of the elected definition, otherwise of a declaration.
    pub(super) linkage: Linkage,
    /// The visibility of the elected definition.
    pub(super) visibility: Visibility,
    pub(super) kind: EntryKind,
    pub(super) definition: Definition,
    /// The elected definition: the global (function, variable or alias) that the name stands for.
    pub(super) elected: Option<(UnitKey, Ordinal)>,
    /// The definitions that were not elected. One of them takes over if the elected definition
    /// leaves.
    pub(super) alternatives: Vec<(UnitKey, Ordinal)>,
    /// The globals of all units that define or declare the name.
    pub(super) mentions: SmallVec<[Mention; 1]>,
    pub(super) generation: Generation,
    pub(super) state: State,
    /// Where the definition in force was linked: its block, and its index in
    /// `LinkedBlock::definitions`.
    pub(super) placed: Option<(BlockId, u32)>,
    /// The slot (and with it the stub), allocated when something first names the function.
    pub(super) slot: Option<SlotId>,
    /// The entry of the function's prefixed stub, if it has one.
    pub(super) prefixed_stub: Option<EntryId>,
    /// The uses of the name.
    pub(super) users: Vec<UseRef>,
    /// The blocks whose code may contain the value of this constant.
    pub(super) inliners: Vec<BlockId>,
    /// Whether the function was called through its first-call entry.
    pub(super) called: bool,
    /// After how many calls the function is hot; `None` if its calls aren't counted.
    pub(super) counted_calls: Option<u32>,
    /// Whether the body was compiled before the first call.
    pub(super) is_ahead: bool,
    /// Whether frozen code calls the host's function of this name directly. If so, the name can't
    /// be defined any more.
    pub(super) is_bound: bool,
    /// The thread that is changing the name's definition.
    pub(super) changing: Option<ThreadKey>,
    /// Whether the address was given out, to code, data or the client. If so, it stays this name's
    /// for ever.
    pub(super) has_escaped: bool,
    /// The number of undoable changes that remember what the name stood for.
    pub(super) remembered: u32,
    /// Whether this entry was set aside: it stands for former memory of a variable, which only
    /// older code still uses.
    pub(super) is_aside: bool,
    /// Whether the name's definition was removed while others used the name.
    pub(super) is_removed: bool,
    /// The variable's size in bytes; 0 for anything else.
    pub(super) size: u64,
}

/// A global of a unit that defines or declares the entry's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    pub(super) unit: UnitKey,
    pub(super) ordinal: Ordinal,
}

/// The type of what a name stands for.
#[derive(Clone, Debug)]
pub(crate) struct ValueType {
    /// The type as IR writes it, for messages.
    pub(crate) name: Arc<str>,
    /// Identifies the type in comparisons.
    pub(crate) id: TypeId,
}

impl ValueType {
    /// Returns the type of a global; `None` for one of an object file, which doesn't tell.
    pub(crate) fn of(global: &Global) -> Option<Self> {
        (global.type_id != TypeId::UNKNOWN).then(|| Self {
            name: global.type_name.clone(),
            id: global.type_id,
        })
    }
}

/// What other rooms may know of an entry. Only the ledger writes.
impl Entry {
    pub(crate) fn library(&self) -> LibraryId {
        self.library
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn linkage(&self) -> Linkage {
        self.linkage
    }

    pub(crate) fn kind(&self) -> EntryKind {
        self.kind
    }

    pub(crate) fn definition(&self) -> Definition {
        self.definition
    }

    pub(crate) fn elected(&self) -> Option<(UnitKey, Ordinal)> {
        self.elected
    }

    pub(crate) fn alternatives(&self) -> &[(UnitKey, Ordinal)] {
        &self.alternatives
    }

    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn placed(&self) -> Option<(BlockId, u32)> {
        self.placed
    }

    pub(crate) fn slot(&self) -> Option<SlotId> {
        self.slot
    }

    pub(crate) fn prefixed_stub(&self) -> Option<EntryId> {
        self.prefixed_stub
    }

    pub(crate) fn users(&self) -> &[UseRef] {
        &self.users
    }

    pub(crate) fn value_type(&self) -> Option<&ValueType> {
        self.value_type.as_ref()
    }

    pub(crate) fn mentions(&self) -> &[Mention] {
        &self.mentions
    }

    pub(crate) fn is_bound(&self) -> bool {
        self.is_bound
    }

    pub(crate) fn changing(&self) -> Option<ThreadKey> {
        self.changing
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.is_removed
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
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
            counted_calls: None,
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

    /// The type as IR writes it.
    pub(crate) fn type_name(&self) -> Option<&Arc<str>> {
        self.value_type.as_ref().map(|it| &it.name)
    }

    pub(crate) fn is_present(&self) -> bool {
        matches!(self.state, State::Present(_) | State::PerThread { .. })
    }

    /// Whether the canonical address is that of the slot's stub. It is if the target may change,
    /// or, for a function of a frozen unit, if it isn't known yet.
    pub(crate) fn address_is_stub(&self) -> bool {
        match self.definition {
            Definition::Ir(..) => self.kind == EntryKind::Function,
            Definition::Ifunc(_) | Definition::Lazy => true,
            _ => false,
        }
    }

    /// Whether users hold the address of the definition itself, rather than that of a stub or slot.
    /// True for data, and for functions that assembly defines.
    pub(crate) fn is_fixed(&self) -> bool {
        self.kind != EntryKind::Function || matches!(self.definition, Definition::Assembly(_))
    }

    /// The name for messages.
    pub(crate) fn label(&self) -> &str {
        if self.name.is_empty() {
            "(unnamed)"
        } else {
            &self.name
        }
    }
}

impl Entry {
    /// A global that states the entry's type and calling convention: the elected one, otherwise the
    /// first that mentions the name.
    pub(crate) fn described(&self) -> Option<(UnitKey, Ordinal)> {
        let first = self.mentions.first();
        self.elected
            .or_else(|| first.map(|one| (one.unit, one.ordinal)))
    }

    /// The globals of units that define or declare the name.
    pub(crate) fn mentioned(&self) -> impl Iterator<Item = (UnitKey, Ordinal)> {
        self.mentions.iter().map(|one| (one.unit, one.ordinal))
    }
}
