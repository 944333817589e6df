//! Changes of what is loaded.

use std::path::Path;

use rewire::{Changed, Engine, Error, Library, TypeChange, UnitInfo};

use super::lexer::quote;
use super::trouble::Trouble;

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

/// What a person had better know of a change, each with what to do.
pub(crate) fn warnings(changed: &Changed) -> Vec<(String, String)> {
    let mismatches = changed.mismatches.iter().map(|one| {
        let (user, name) = (quote(&one.user), quote(&one.name));
        let (declared, defined) = (&one.declared, &one.defined);
        let what = match declared == defined {
            true => format!("{user} uses {name} as {declared}, whose types had other fields"),
            false => format!("{user} uses {name} as {declared}, and it is {defined}"),
        };
        let help = format!("define {user} again: a call passes what the text of {user} says");
        (what, help)
    });
    let pointers = changed.replaced.iter().flat_map(|one| {
        let name = quote(&one.name);
        one.pointers.iter().map(move |pointer| {
            let pointer = quote(pointer);
            (
                format!("{pointer} may still hold the address of the former {name}"),
                format!("define {pointer} again"),
            )
        })
    });
    mismatches.chain(pointers).collect()
}

/// Loads a file, in the place of its former version if there is one.
pub(crate) fn load(engine: &Engine, file: &str, ir: &[u8]) -> Result<Changed, Error> {
    let former = unit_called(engine, file);
    let mut change = engine.main().change();
    match former {
        Some(unit) => change.reload(unit.id, file, ir),
        None => change.add(file, ir),
    };
    change.on_type_change(TypeChange::Recompile);
    match change.commit() {
        // Names that others define: a new version of those, under another name.
        Err(Error::Duplicate { .. }) => {
            let main = engine.main();
            let mut change = main.change();
            change.define(file, ir);
            change.on_type_change(TypeChange::Recompile);
            change.commit()
        }
        done => done,
    }
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

/// The unit of this name, or of the file that the name leads to, the latest first.
fn unit_called(engine: &Engine, name: &str) -> Option<UnitInfo> {
    let units = engine.units();
    let named = units.iter().rfind(|unit| &*unit.name == name);
    let is_file = |unit: &&UnitInfo| is_same_file(&unit.name, name);
    named.or_else(|| units.iter().rfind(is_file)).cloned()
}

/// Whether two names of files, of which each is perhaps another path to it, mean the same file.
fn is_same_file(one: &str, other: &str) -> bool {
    let found = |path: &str| Path::new(path).canonicalize().ok();
    found(one).is_some_and(|one| found(other) == Some(one))
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
