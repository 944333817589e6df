//! LLVM's errors, told in the lines of the input rather than of the module that was made for it.

use rewire::Error;

use super::command;
use super::context::Prepared;
use super::lexer::Tokens;
use super::trouble::Trouble;

/// An error of the engine's about the module that was made of an input, which it knows as `unit`.
pub(crate) fn explain(error: Error, unit: &str, prepared: &Prepared) -> Trouble {
    let text = error.to_string();
    let Some(said) = Said::find(&text, unit) else {
        return match text.strip_prefix(unit).and_then(|it| it.strip_prefix(": ")) {
            Some(what) => Trouble::Said {
                what: what.to_owned(),
                help: help(what, prepared).or_else(|| error.help()),
            },
            None => Trouble::Engine(error),
        };
    };
    // What stands before the input is right, as long as the inputs before were: an error there is
    // told without a place.
    let Some(line) = said
        .line
        .checked_sub(prepared.lines_before)
        .filter(|it| *it > 0)
    else {
        return Trouble::said(said.what);
    };
    Trouble::At {
        line: line.min(prepared.lines.max(1)),
        column: said.column,
        help: help(said.what, prepared),
        what: said.what.trim_end().to_owned(),
    }
}

/// What LLVM's parser said, `UNIT:LINE:COLUMN: WHAT`; WHAT goes on with the line and a mark.
struct Said<'t> {
    line: usize,
    column: usize,
    what: &'t str,
}

impl<'t> Said<'t> {
    fn find(text: &'t str, unit: &str) -> Option<Self> {
        let rest = text.strip_prefix(unit)?.strip_prefix(':')?;
        let (line, rest) = rest.split_once(':')?;
        let (column, what) = rest.split_once(": ")?;
        let (line, column) = (line.parse().ok()?, column.parse().ok()?);
        Some(Self { line, column, what })
    }
}

fn help(what: &str, prepared: &Prepared) -> Option<String> {
    if what.starts_with("expected top-level entity") {
        if let Some(meant) = command::meant(prepared.input().split_whitespace().next()?) {
            return Some(format!("commands begin with a colon: {meant}"));
        }
        return Some(
            "give a definition or a declaration, or a command, which begins with a colon; :help \
             lists them"
                .to_owned(),
        );
    }
    if what.contains("Alias must point to a definition") {
        return Some("what it stands for has to be defined in the same FILE".to_owned());
    }
    let name = what.strip_prefix("use of undefined value '")?;
    let name = Tokens::new(name.split('\'').next()?).next()?.name()?;
    let mut undeclarable = prepared.undeclarable.iter();
    Some(match undeclarable.find(|one| one.0 == name) {
        Some((_, type_name)) => format!(
            "{name} is of the type {type_name}: define the types in it first, or declare it"
        ),
        None if what.starts_with("use of undefined value '@") => {
            format!(
                "nothing defines {name} yet: declare it first, if it is to come or the process has it"
            )
        }
        None => return None,
    })
}
