//! What the ledger knows of one name.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rewire_llvm::{Linkage, Ordinal, Visibility};
use rewire_memory::{ExecAddr, SlotId};

use super::names::LibraryId;
use super::uses::UseRef;
use crate::error::Error;
use crate::unit::UnitId;

/// The number of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EntryId(pub(crate) u32);

impl EntryId {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Which body of a function is in force: 0 before anything was linked, then counted up by one
/// for each definition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub(crate) u32);

impl Generation {
    /// As a number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What kind of thing a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// Something that can be called.
    Function,
    /// Something that has an address and bytes.
    Data,
    /// A variable that each thread has its own of.
    ThreadLocal,
    /// Only an object's symbol table or assembly has named it so far.
    Unknown,
}

/// Where a name's definition comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Definition {
    /// Nothing that was loaded defines it; the host process may.
    None,
    /// A global of a unit's IR.
    Ir(UnitId, Ordinal),
    /// Another name for a place in what another entry stands for.
    Alias(EntryId, i64),
    /// A function that a resolver chooses when it is first called.
    Ifunc(EntryId),
    /// What stands at the canonical address of a function that has prefix or prologue data: that
    /// data, and a jump through the function's slot.
    Front(UnitId, Ordinal),
    /// Module-level assembly of a unit.
    Assembly(UnitId),
    /// An address that the client gave.
    Absolute,
    /// IR that the client makes when the function is first called.
    Lazy,
    /// The engine itself.
    Engine,
}

/// The number of a thread, for its whole life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ThreadKey(u32);

impl ThreadKey {
    /// That of the calling thread.
    pub(crate) fn mine() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        thread_local! {
            static KEY: Cell<u32> = const { Cell::new(0) };
        }
        if KEY.get() == 0 {
            KEY.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        Self(KEY.get())
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
    Present(ExecAddr),
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
    /// Its type as IR writes it, once something has said so.
    pub(crate) type_name: Option<Arc<str>>,
    /// Of the elected definition, else of a declaration.
    pub(crate) linkage: Linkage,
    /// Of the elected definition.
    pub(crate) visibility: Visibility,
    pub(crate) kind: EntryKind,
    pub(crate) definition: Definition,
    /// Which unit's global won, be it a body, a variable or an alias.
    pub(crate) elected: Option<(UnitId, Ordinal)>,
    /// A global that says what type it is and how it is called.
    pub(crate) described: Option<(UnitId, Ordinal)>,
    pub(crate) generation: Generation,
    pub(crate) state: State,
    /// The slot, and with it the stub, once somebody has named the function.
    pub(crate) slot: Option<SlotId>,
    /// The entry of what stands at its canonical address, if that isn't the stub.
    pub(crate) front: Option<EntryId>,
    /// Every place that depends on it.
    pub(crate) users: Vec<UseRef>,
    /// It was called through the engine's first-call path.
    pub(crate) called: bool,
    /// Its body was made before anybody called it.
    pub(crate) is_ahead: bool,
    /// Frozen code calls the host's function of this name directly: it can't be defined any more.
    pub(crate) is_bound: bool,
    /// A thread is giving it a new body.
    pub(crate) is_being_replaced: bool,
    /// Bytes of the variable; 0 for all else.
    pub(crate) size: u64,
}

impl Entry {
    pub(crate) fn new(library: LibraryId, name: Arc<str>) -> Self {
        Self {
            library,
            name,
            type_name: None,
            linkage: Linkage::External,
            visibility: Visibility::Default,
            kind: EntryKind::Unknown,
            definition: Definition::None,
            elected: None,
            described: None,
            generation: Generation::default(),
            state: State::Absent,
            slot: None,
            front: None,
            users: Vec::new(),
            called: false,
            is_ahead: false,
            is_bound: false,
            is_being_replaced: false,
            size: 0,
        }
    }

    pub(crate) fn is_present(&self) -> bool {
        matches!(self.state, State::Present(_) | State::PerThread { .. })
    }

    /// Whether its address is its slot's stub: what that leads to may change, or, of a frozen unit,
    /// is not known yet.
    pub(crate) fn is_replaceable(&self) -> bool {
        match self.definition {
            Definition::Ir(..) => self.kind == EntryKind::Function,
            Definition::Ifunc(_) | Definition::Lazy => true,
            _ => false,
        }
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
