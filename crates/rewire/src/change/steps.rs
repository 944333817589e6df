//! What a change is to do.

use std::sync::Arc;

use rewire_llvm::Source;
use rewire_memory::ExecAddr;

use crate::base::error::Error;
use crate::base::ids::UnitId;

/// What happens when a new definition is of another type than the old one, or promises its callers
/// less, or demands more of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TypeChange {
    /// The change fails, and says who uses the name.
    #[default]
    Refuse,
    /// Callers stay as they are: they call the new definition as if it were of the old type.
    GoAhead,
    /// The machine code of all who use the name is dropped, and made again from their IR, when they
    /// are next called.
    Recompile,
}

/// One step of a change.
#[derive(Debug)]
pub(super) enum Step {
    /// A unit of new names.
    Add { source: Source, is_frozen: bool },
    /// A module whose definitions are added, or replace those of their names.
    Define(Source),
    /// A module that brings a new body for this function, and nothing else that others see.
    Replace { name: Arc<str>, source: Source },
    /// A unit's new version: what it doesn't define any more is removed.
    Reload { unit: UnitId, source: Source },
    /// The host's thing at an address.
    DefineAddress { name: Arc<str>, address: ExecAddr },
    /// A name.
    Remove(Arc<str>),
    /// A unit.
    RemoveUnit(UnitId),
}

/// What a change is to do, and how.
#[derive(Debug, Default)]
pub(super) struct Terms {
    pub(super) steps: Vec<Step>,
    /// What is wrong with a module that isn't among the steps because of it.
    pub(super) refused: Option<Error>,
    pub(super) type_change: TypeChange,
    pub(super) resets_variables: bool,
    pub(super) is_forced: bool,
    pub(super) renews_objects: bool,
}
