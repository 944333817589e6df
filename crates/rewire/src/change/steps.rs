//! The steps of a change, and its options.

use std::sync::Arc;

use rewire_llvm::Source;
use rewire_memory::ExecAddr;

use crate::base::error::Error;
use crate::base::ids::UnitId;

/// What happens when a new definition has another type than the former one, or breaks its contract:
/// it promises its callers less, or demands more of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TypeChange {
    /// The change fails; the error lists the users of the name.
    #[default]
    Refuse,
    /// Users stay as they are, and use the new definition as if it had the former type.
    GoAhead,
    /// The machine code of all users is dropped, and compiled again from their IR when they are
    /// next called.
    Recompile,
}

/// One step of a change.
#[derive(Debug)]
pub(super) enum Step {
    /// Adds a unit that defines new names.
    Add { source: Source, is_frozen: bool },
    /// Adds a module whose definitions are added, or replace those of the same name.
    Define(Source),
    /// Replaces the body of this function by that in a module, which defines no other global name.
    Replace { name: Arc<str>, source: Source },
    /// Replaces a unit by a new version; names that the new version doesn't define are removed.
    Reload { unit: UnitId, source: Source },
    /// Defines a name as an address of the host.
    DefineAddress { name: Arc<str>, address: ExecAddr },
    /// Removes a name.
    Remove(Arc<str>),
    /// Removes a unit.
    RemoveUnit(UnitId),
}

/// The steps of a change, and its options.
#[derive(Debug, Default)]
pub(super) struct Terms {
    pub(super) steps: Vec<Step>,
    /// The first error of a step's IR; such a step isn't in `steps`.
    pub(super) refused: Option<Error>,
    pub(super) type_change: TypeChange,
    pub(super) resets_variables: bool,
    pub(super) is_forced: bool,
    pub(super) renews_objects: bool,
}
