//! Identifiers of engines, libraries, units, ledger entries, threads and generations.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use slotmap::new_key_type;

use super::error::Error;

new_key_type! {
    /// Identifies an entry of the ledger.
    pub(crate) struct EntryId;
}

/// Identifies a library: a namespace of symbols with a search order (LLVM's ORC calls it a
/// JITDylib). Unique in its engine only; all access goes through a [`Library`](crate::Library),
/// which knows its engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LibraryId(pub(crate) u32);

impl LibraryId {
    /// The main library, which every engine has.
    pub(crate) const MAIN: Self = Self(0);
}

new_key_type! {
    /// Identifies a unit within its engine. The key of a removed unit is never reused.
    pub(crate) struct UnitKey;
}

/// Identifies an engine within the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EngineNumber(u32);

impl EngineNumber {
    /// Returns a number that no other engine of the process has.
    pub(crate) fn next() -> Self {
        static LATEST: AtomicU32 = AtomicU32::new(0);
        Self(LATEST.fetch_add(1, Ordering::Relaxed))
    }
}

/// Identifies a unit, uniquely in the process. The ID of a removed unit is never reused, and
/// another engine rejects it ([`Error::OtherEngine`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitId {
    pub(crate) engine: EngineNumber,
    pub(crate) key: UnitKey,
}

impl UnitId {
    pub(crate) fn new(engine: EngineNumber, key: UnitKey) -> Self {
        Self { engine, key }
    }

    /// Returns the unit's key, or an error if `engine` is not the unit's engine.
    pub(crate) fn key(self, engine: EngineNumber) -> Result<UnitKey, Error> {
        if self.engine == engine {
            Ok(self.key)
        } else {
            Err(Error::OtherEngine)
        }
    }
}

/// Counts the definitions of a name: 0 before the name has one, then one more for each definition
/// that replaces another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub(crate) u32);

impl Generation {
    /// Returns the generation as a number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Returns the generation of the definition that replaces this one.
    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The kind of definition that a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A function.
    Function,
    /// A variable or constant, at one address for all threads.
    Data,
    /// A thread-local variable.
    ThreadLocal,
    /// Not known yet: so far, only an object's symbol table or assembly has named it.
    Unknown,
}

/// Identifies a thread for its whole life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ThreadKey(u32);

impl ThreadKey {
    /// Returns the key of the calling thread.
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
