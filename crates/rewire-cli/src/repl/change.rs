//! Changes of what is loaded.

use rewire::{Changed, Engine, Error, Library, TypeChange};

use super::trouble::Trouble;
use crate::reload::unit_called;

/// Adds what a module defines, or replaces what is defined already. Who uses a name of another type
/// than before is compiled again. A variable has the value that was typed; to keep what it holds is
/// for files that are loaded again.
pub(crate) fn define(library: &Library, unit: &str, ir: &[u8]) -> Result<Changed, Error> {
    let mut change = library.change();
    change.define(unit, ir);
    change.on_type_change(TypeChange::Recompile);
    change.reset_variables();
    change.commit()
}

/// Removes a definition; with `force`, even if it is in use.
pub(crate) fn remove(library: &Library, name: &str, force: bool) -> Result<Changed, Trouble> {
    let mut change = library.change();
    change.remove(name);
    if force {
        change.force();
    }
    change
        .commit()
        .map_err(|error| in_use(error, "`:remove! NAME` removes it all the same"))
}

/// Takes back the last change that isn't taken back yet.
pub(crate) fn undo(engine: &Engine) -> Result<Changed, Trouble> {
    engine.undo().map_err(|error| match error {
        Error::NothingToUndo => Trouble::with_help(
            error.to_string(),
            "inputs that defined, replaced or removed something can be undone, the latest first",
        ),
        other => other.into(),
    })
}

/// Removes all that a unit defines.
pub(crate) fn unload(engine: &Engine, name: &str) -> Result<Changed, Trouble> {
    let unit = unit_called(engine, name).ok_or_else(|| {
        Trouble::with_help(
            format!("there is no unit {name}"),
            ":list says which unit a definition is in",
        )
    })?;
    engine
        .remove_unit(unit.id)
        .map_err(|error| in_use(error, "`:remove! NAME` removes each name all the same"))
}

fn in_use(error: Error, force: &str) -> Trouble {
    match &error {
        Error::InUse { .. } => Trouble::with_help(
            error.to_string(),
            format!("{force}; a caller gets an error then"),
        ),
        _ => error.into(),
    }
}
