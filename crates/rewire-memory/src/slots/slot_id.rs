//! [`SlotId`]: the number of a slot.

/// The number of a slot and of the stub that belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(u32);

impl SlotId {
    pub(super) const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Numbers count up from 0; those that were given back are given out again.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
