//! Files in the place of their former versions.

use std::path::Path;

use rewire::{Changed, Engine, Error, TypeChange, UnitInfo};

use crate::repl::lexer::quote;

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

/// The unit of this name, or of the file that the name leads to, the latest first.
pub(crate) fn unit_called(engine: &Engine, name: &str) -> Option<UnitInfo> {
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

/// How many definitions a change added, replaced and removed.
pub(crate) fn summary(changed: &Changed) -> String {
    let counts = [
        (changed.added.len(), "defined"),
        (changed.replaced.len(), "replaced"),
        (changed.removed.len(), "removed"),
    ];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(n, what)| format!("{n} {what}")).collect();
    match counts.as_slice() {
        [] => "nothing defined".to_owned(),
        some => some.join(", "),
    }
}
