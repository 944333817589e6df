//! Kinds of addresses.
//!
//! A function has one address for ever, which the program sees as `&f`, and another one for each
//! body that it gets. Taking one for the other is the mistake that this engine must not make, so
//! the two are types of their own. What is given out to code or to clients is a plain [`ExecAddr`],
//! and where it comes from says which of the two it is.

use std::fmt;

use rewire_memory::ExecAddr;

/// Where a definition lies: the first byte of a function's body, or of a variable's memory. Another
/// definition of the same name lies elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BodyAddr(ExecAddr);

/// The address that a name has for ever, and that may be given out: of a function that can be
/// replaced its stub, else where the definition lies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CanonicalAddr(ExecAddr);

impl BodyAddr {
    /// Of a definition that was put there, or that the host has there.
    pub(crate) const fn new(address: ExecAddr) -> Self {
        Self(address)
    }

    /// The address, for code that is linked with this body and is done again if it is replaced.
    pub(crate) const fn addr(self) -> ExecAddr {
        self.0
    }

    /// The place so many bytes from it.
    pub(crate) fn at_offset(self, bytes: i64) -> ExecAddr {
        self.0.checked_add_signed(bytes).unwrap_or(self.0)
    }
}

impl CanonicalAddr {
    /// Of a function's stub.
    pub(crate) const fn of_stub(stub: ExecAddr) -> Self {
        Self(stub)
    }

    /// Of what is never replaced by something at another address.
    pub(crate) const fn of_fixed(definition: BodyAddr) -> Self {
        Self(definition.0)
    }

    /// The address, to be given out.
    pub(crate) const fn addr(self) -> ExecAddr {
        self.0
    }

    /// A place so many bytes from it: what an alias stands for.
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
