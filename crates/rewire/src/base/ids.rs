//! What engines, libraries, units, names, threads and definitions are known by.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use slotmap::new_key_type;

use super::error::Error;

new_key_type! {
    /// The number of an entry.
    pub(crate) struct EntryId;
}

/// The number of a library: a namespace of symbols with a search order (LLVM's ORC calls it a
/// JITDylib). Unique in its engine; nothing is reached by it but through a
/// [`Library`](crate::Library), which knows its engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LibraryId(pub(crate) u32);

impl LibraryId {
    /// The library that every engine has.
    pub(crate) const MAIN: Self = Self(0);
}

new_key_type! {
    /// What an engine knows a unit by. That of a unit that was removed is never another's.
    pub(crate) struct UnitKey;
}

/// Tells the engines of a process apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EngineNumber(u32);

impl EngineNumber {
    /// One that no other engine has.
    pub(crate) fn next() -> Self {
        static LATEST: AtomicU32 = AtomicU32::new(0);
        Self(LATEST.fetch_add(1, Ordering::Relaxed))
    }
}

/// The number of a unit, unique in the process: that of a unit that was removed is never another's,
/// and another engine refuses it ([`Error::OtherEngine`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitId {
    pub(crate) engine: EngineNumber,
    pub(crate) key: UnitKey,
}

impl UnitId {
    pub(crate) fn new(engine: EngineNumber, key: UnitKey) -> Self {
        Self { engine, key }
    }

    /// What this engine knows the unit by, if it is one of its units.
    pub(crate) fn key(self, engine: EngineNumber) -> Result<UnitKey, Error> {
        if self.engine == engine {
            Ok(self.key)
        } else {
            Err(Error::OtherEngine)
        }
    }
}

/// Which definition of a name is in force: 0 before there is one, then counted up by one for each
/// definition that takes the place of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub(crate) u32);

impl Generation {
    /// As a number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// That of the definition which takes this one's place.
    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
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
