//! The identity of a type.

use std::fmt;

/// The identity of a type: a hash of its structure, with nested structs expanded, and of its sizes
/// and alignments. A named struct and a literal one of the same fields have the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TypeId([u8; 16]);

impl fmt::Debug for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl TypeId {
    /// The identity of a type that isn't known, as in an object file. A type of IR has another.
    pub const UNKNOWN: Self = Self([0; 16]);

    pub(crate) fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// The identity that the shim printed.
    pub(crate) fn parse(digits: &str) -> Option<Self> {
        let number = u128::from_str_radix(digits, 16).ok()?;
        Some(Self(number.to_be_bytes()))
    }
}
