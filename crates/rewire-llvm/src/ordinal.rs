//! How a module's globals are numbered.

/// The number of a global in its module; the same in every copy of the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ordinal(u32);

impl Ordinal {
    /// The ordinal with this number.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its place in [`ModuleIndex::globals`](crate::ModuleIndex::globals).
    #[must_use]
    pub const fn index(self) -> usize {
        (self.0 & !OWN_COPY) as usize
    }

    /// The number with its mark, as the shim takes it and the names of symbols have it.
    #[must_use]
    pub const fn bits(self) -> usize {
        self.0 as usize
    }

    /// Another number for the same definition. It is used when the definition has lost its name to
    /// another module's, and an alias in its own module still refers to it.
    #[must_use]
    pub const fn own_copy(self) -> Self {
        Self(self.0 | OWN_COPY)
    }

    /// Whether the number was made by [`Ordinal::own_copy`].
    #[must_use]
    pub const fn is_own_copy(self) -> bool {
        self.0 & OWN_COPY != 0
    }
}

/// The bit of an ordinal that says [`Ordinal::own_copy`]; as `REWIRE_OWN_COPY` in the shim.
const OWN_COPY: u32 = 1 << 31;
