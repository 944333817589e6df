//! [`Root`]: where a pointer to an object is in a frame.

use crate::statepoint::StackSlot;

/// A root: a pointer to an object in the collector's heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Root {
    /// Where the pointer to the object's start is.
    pub base: RootLocation,
    /// Where the pointer is that the program uses, which may lead into the object or behind its
    /// end. A collector that moves the object keeps its distance from the base pointer. The same as
    /// `base` if the pointer isn't derived.
    pub derived: RootLocation,
}

impl Root {
    /// Whether the pointer isn't the base pointer itself.
    pub fn is_derived(&self) -> bool {
        self.base != self.derived
    }
}

/// Where a root is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RootLocation {
    /// In a stack slot of 8 bytes.
    Slot(StackSlot),
    /// Nowhere: the value is a constant, which no collector changes. Mostly null.
    Constant(u64),
}

impl RootLocation {
    /// The slot, if it is in one.
    pub fn slot(self) -> Option<StackSlot> {
        match self {
            Self::Slot(slot) => Some(slot),
            Self::Constant(_) => None,
        }
    }
}
