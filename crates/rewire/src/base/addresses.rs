//! Types for the two kinds of address that a function has.
//!
//! A function has one permanent address, which the program sees as `&f`, and a further address for
//! each body that it gets. Confusing the two would be the worst mistake that this engine can make,
//! so each kind has its own type. An address that is handed out to code or to clients is a plain
//! [`ExecAddr`]; the method that returned it says which kind it is.

use std::fmt;

use rewire_memory::ExecAddr;

/// The address of a definition: the first byte of a function's body, or of a variable's memory.
/// Another definition of the same name has another address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BodyAddr(ExecAddr);

/// The permanent address of a name, which may be given out. For a function that can be replaced it
/// is the address of its stub, otherwise the address of the definition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CanonicalAddr(ExecAddr);

impl BodyAddr {
    /// The address of a definition that the engine has placed there, or that the host has there.
    pub(crate) const fn new(address: ExecAddr) -> Self {
        Self(address)
    }

    /// Returns the address, for code that is linked with this body and is compiled again if the
    /// body is replaced.
    pub(crate) const fn addr(self) -> ExecAddr {
        self.0
    }

    /// Returns the address `bytes` bytes after it.
    pub(crate) fn at_offset(self, bytes: i64) -> ExecAddr {
        self.0.checked_add_signed(bytes).unwrap_or(self.0)
    }
}

impl CanonicalAddr {
    /// The canonical address of a function that has this stub.
    pub(crate) const fn of_stub(stub: ExecAddr) -> Self {
        Self(stub)
    }

    /// The canonical address of a definition that is never replaced by one at another address.
    pub(crate) const fn of_fixed(definition: BodyAddr) -> Self {
        Self(definition.0)
    }

    /// Returns the address, to be given out.
    pub(crate) const fn addr(self) -> ExecAddr {
        self.0
    }

    /// Returns the address `bytes` bytes after it: what an alias stands for.
    pub(crate) fn at_offset(self, bytes: i64) -> Self {
        Self(self.0.checked_add_signed(bytes).unwrap_or(self.0))
    }
}

impl fmt::Debug for BodyAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CanonicalAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
