//! [`Imports`]: the globals of other units that an object names or holds copies of.

use rewire_llvm::Ordinal;
use smallvec::SmallVec;

use crate::base::ids::{EntryId, UnitKey};

/// A global of another unit, as it was when a body that names it, or the global itself, was
/// imported.
#[derive(Clone, Debug)]
pub(crate) struct Imported {
    pub(crate) entry: EntryId,
    /// The definition in force, of which the object may hold a copy.
    /// `None` for what an inline source describes.
    pub(crate) definition: Option<(UnitKey, Ordinal)>,
    /// The names by which the object's unit called it, if these are others.
    pub(crate) names: SmallVec<[EntryId; 1]>,
    pub(crate) is_function: bool,
}

/// What an object's numbers mean that aren't ordinals of its own unit. They begin after those.
#[derive(Clone, Debug, Default)]
pub(crate) struct Imports {
    globals: Vec<Imported>,
}

impl Imports {
    /// Adds a global, and returns its number in objects of a unit with so many globals of its own.
    pub(crate) fn add(&mut self, own_globals: usize, imported: Imported) -> Ordinal {
        let number = own_globals + self.globals.len();
        self.globals.push(imported);
        Ordinal::new(number as u32)
    }

    pub(crate) fn get(&self, own_globals: usize, number: Ordinal) -> Option<&Imported> {
        if number.is_own_copy() {
            return None;
        }
        self.globals.get(number.index().checked_sub(own_globals)?)
    }
}
