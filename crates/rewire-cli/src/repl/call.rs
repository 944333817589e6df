//! `:call`: runs a function, and comes back where it calls something that can't be run.

use std::ffi::c_int;
use std::io::Write;
use std::sync::Arc;

use rewire::{Descriptor, Engine, EntryKind, Error, Library, Value};

use super::bridge::{Bridges, Callee};
use super::catching::{Ended, catching};
use super::context::Context;
use super::lexer::quote;
use super::stop;
use super::trouble::Trouble;
use super::values::{self, Kept};
use super::words::Word;

/// Why a call came back: below the bridges to a function are the REPL's own frames.
pub(super) fn trouble(error: Error) -> Trouble {
    if let Error::Stopped { stopped } = &error {
        return Trouble::Said {
            what: stop::describe(stopped),
            help: error.help(),
        };
    }
    let Error::Call {
        error: cause,
        callers,
        ..
    } = &error
    else {
        return error.into();
    };
    let mut what = cause.to_string();
    let is_ours = |name: &&Arc<str>| name.starts_with(stop::PREFIX);
    for caller in callers.iter().take_while(|name| !is_ours(name)) {
        what.push_str("\n  called by ");
        what.push_str(&rewire::demangle(caller));
    }
    Trouble::Said {
        what,
        help: error.help(),
    }
}

/// What calls need, and what they leave behind.
#[derive(Debug)]
pub(crate) struct Calls {
    engine: Engine,
    library: Library,
    kept: Kept,
    bridges: Bridges,
}

impl Calls {
    pub(crate) fn new(engine: &Engine) -> Self {
        Self {
            engine: engine.clone(),
            library: engine.main(),
            kept: Kept::default(),
            bridges: Bridges::default(),
        }
    }

    /// Calls a function and returns what the user is shown.
    pub(crate) fn call(
        &mut self,
        context: &Context,
        name: &str,
        words: &[Word],
    ) -> Result<String, Trouble> {
        // What was printed so far comes before what compiled code prints.
        let _ = std::io::stdout().flush();
        let catcher = self.bridges.catcher(&self.engine)?;
        let ended = catching(catcher, || self.enter(context, name, words));
        flush_stdio();
        match ended {
            Ended::Returned(value) => Ok(values::show(value?)),
            Ended::Thrown(type_name, said) => {
                let said = said.map_or_else(String::new, |said| format!(": {said}"));
                let name = quote(name);
                Err(Trouble::said(format!(
                    "{type_name} came out of {name}{said}"
                )))
            }
            Ended::Panicked => Err(Trouble::said(format!("a panic came out of {name}"))),
        }
    }

    fn enter(
        &mut self,
        context: &Context,
        name: &str,
        words: &[Word],
    ) -> Result<Option<Value>, Trouble> {
        let about = self.library.descriptor(name);
        let is_defined = about.as_ref().is_some_and(|it| it.unit.is_some());
        // What assembly defines is no function to the ledger.
        let is_function = |it: &Descriptor| it.kind == EntryKind::Function;
        let is_function = about.as_ref().is_some_and(is_function);
        let type_name = about.and_then(|it| it.type_name);
        let declared = context.declared_type(name).filter(|_| !is_defined);
        let Some(type_name) = declared.map_or(type_name, |it| Some(it.into())) else {
            return Err(Trouble::with_help(
                format!("nothing defines {}", quote(name)),
                "define it, or declare it if the process has it",
            ));
        };
        let Some((result, parameters)) = values::split_type(&type_name) else {
            return Err(Trouble::said(format!(
                "{} is no function: its type is {type_name}",
                quote(name)
            )));
        };
        let is_variadic = parameters.last() == Some(&"...");
        let types = types(name, &parameters, words)?;
        let pairs = words.iter().zip(types);
        let arguments: Result<Vec<Value>, Trouble> = pairs
            .map(|(word, wanted)| self.argument(context, word, wanted))
            .collect();
        let arguments = arguments?;
        let callee = Callee {
            name,
            address: match is_defined {
                true => Some(self.library.lookup(name)?),
                false => None,
            },
            type_name: &type_name,
            result,
        };
        // SAFETY: the user asked for it: what the function does is theirs to know. The types of
        // the arguments are checked.
        unsafe {
            self.engine.run_constructors()?;
            if is_defined && is_function && !is_variadic {
                self.library.call(name, &arguments).map_err(trouble)
            } else {
                self.bridges.call(&self.engine, context, callee, &arguments)
            }
        }
    }

    fn argument(&mut self, context: &Context, word: &Word, wanted: &str) -> Result<Value, Trouble> {
        if let (Word::Global(name), "ptr") = (word, wanted) {
            let address = match self.library.lookup(name) {
                Err(Error::Unknown { .. }) if self.library.descriptor(name).is_some() => {
                    self.bridges.address(&self.engine, context, name)?
                }
                found => found?,
            };
            return Ok(Value::Pointer(address));
        }
        let unfit = || Trouble::said(format!("{} is no {wanted}", word.shown()));
        values::parse(word, wanted, &mut self.kept).ok_or_else(unfit)
    }
}

/// The types that the arguments shall have; those that a list of a variable number ends with are
/// what C makes of such words.
fn types<'t>(name: &str, parameters: &[&'t str], words: &[Word]) -> Result<Vec<&'t str>, Trouble> {
    let (is_variadic, fixed) = match parameters.split_last() {
        Some((&"...", fixed)) => (true, fixed),
        _ => (false, parameters),
    };
    if let Some(odd) = fixed.iter().find(|one| !values::is_plain(one)) {
        return Err(Trouble::with_help(
            format!("{} takes a {odd}, which can't be given here", quote(name)),
            "define a function of plain parameters that calls it",
        ));
    }
    let more = words
        .get(fixed.len()..)
        .filter(|it| it.is_empty() || is_variadic);
    let Some(more) = more else {
        let wanted = parameters.join(", ");
        let given = match words.len() {
            0 => "no argument was given".to_owned(),
            1 => "1 argument was given".to_owned(),
            many => format!("{many} arguments were given"),
        };
        return Err(Trouble::said(format!(
            "{} takes ({wanted}), and {given}",
            quote(name)
        )));
    };
    let guessed = more.iter().map(|word| {
        let unknown = || Trouble::said(format!("{} is no value", word.shown()));
        values::guess(word).ok_or_else(unknown)
    });
    fixed.iter().copied().map(Ok).chain(guessed).collect()
}

/// Writes out what compiled code printed with C's streams, so that it stands before what comes
/// next.
fn flush_stdio() -> c_int {
    // SAFETY: null stands for all output streams (fflush(3)).
    unsafe { libc::fflush(std::ptr::null_mut()) }
}
