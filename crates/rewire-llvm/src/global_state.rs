//! What the engine says of a module's globals.

/// What the engine knows of a global when it has something extracted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GlobalState {
    /// This module's definition is the one that the name stands for.
    pub elected: bool,
    /// The variable has memory already, so that its value need not come along.
    pub placed: bool,
}

impl GlobalState {
    /// The bit which says that the name is the unit's own. Only texts tell it
    /// ([`Module::extract_text`](crate::Module::extract_text)).
    pub const OWN: u8 = 4;

    /// The bit which says that callers had better not inline the function, because it is replaced
    /// often.
    pub const APART: u8 = 8;

    /// The byte that [`Module::extract`](crate::Module::extract) takes.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        self.elected as u8 | (self.placed as u8) << 1
    }

    /// What a byte says.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Self {
        Self {
            elected: byte & 1 != 0,
            placed: byte & 2 != 0,
        }
    }
}
