//! `:call`: runs a function, and comes back where it calls something that can't be run.

use std::collections::HashMap;
use std::ffi::c_int;
use std::io::Write;

use rewire::{Descriptor, Engine, EntryKind, Error, ExecAddr, FunctionType, Library, Value};

use super::aggregates::{self, Signature};
use super::bridge::{Bridges, Callee};
use super::catching::{Ended, catching};
use super::context::{Context, body_of_type};
use super::entity::{What, entities};
use super::lexer::quote;
use super::trouble::Trouble;
use super::types::{Type, list};
use super::values::{self, KeptBytes};
use super::words::{Word, split};

/// What calls need, and what they leave behind.
#[derive(Debug)]
pub(crate) struct Calls {
    engine: Engine,
    library: Library,
    kept: KeptBytes,
    bridges: Bridges,
}

impl Calls {
    pub(crate) fn new(engine: &Engine) -> Self {
        Self {
            engine: engine.clone(),
            library: engine.main(),
            kept: KeptBytes::default(),
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
        self.construct(catcher, name)?;
        let ended = catching(catcher, || self.enter(context, name, words));
        flush_stdio();
        match ended {
            Ended::Returned(shown) => shown,
            Ended::Thrown(thrown) => Err(Trouble::said(thrown.out_of(&quote(name)))),
            Ended::Panicked => Err(Trouble::said(format!(
                "a panic came out of {}",
                quote(name)
            ))),
        }
    }

    /// Runs the constructors of what was loaded, before a function is called. One that fails isn't
    /// run again.
    fn construct(&self, catcher: Option<ExecAddr>, name: &str) -> Result<(), Trouble> {
        // SAFETY: the user loaded the code: what its constructors do is theirs to know.
        let ended = catching(catcher, || unsafe { self.engine.run_constructors() });
        flush_stdio();
        let failed = match ended {
            Ended::Returned(Ok(())) => return Ok(()),
            Ended::Returned(Err(error)) => Trouble::of_call(error).what(),
            Ended::Thrown(thrown) => thrown.out_of("it"),
            Ended::Panicked => "a panic came out of it".to_owned(),
        };
        Err(Trouble::with_help(
            format!("a constructor of what was loaded failed: {failed}"),
            format!(
                "{} was not called; call it again to go on without that constructor",
                quote(name)
            ),
        ))
    }

    fn enter(&mut self, context: &Context, name: &str, words: &[Word]) -> Result<String, Trouble> {
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
        let Some(FunctionType { result, parameters }) = FunctionType::parse(&type_name) else {
            return Err(Trouble::said(format!(
                "{} is no function: its type is {type_name}",
                quote(name)
            )));
        };
        let is_variadic = parameters.last() == Some(&"...");
        let gives_plain = values::is_plain(result) || result == "void";
        let is_plain = |it: &&str| *it == "..." || values::is_plain(it);
        let are_plain = gives_plain && parameters.iter().all(is_plain);
        if !is_variadic && !are_plain {
            check_count(name, &parameters, words)?;
            return self.call_odd(context, name, &type_name, is_defined, words);
        }
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
            let value = if is_defined && is_function && !is_variadic {
                self.library
                    .call(name, &arguments)
                    .map_err(Trouble::of_call)
            } else {
                let called = self.bridges.call(&self.engine, context, callee, &arguments);
                called.map_err(|trouble| trouble.about(name))
            };
            value.map(values::show)
        }
    }

    /// Calls a function that takes or returns something else than plain values.
    fn call_odd(
        &mut self,
        context: &Context,
        name: &str,
        type_name: &str,
        is_defined: bool,
        words: &[Word],
    ) -> Result<String, Trouble> {
        let ir = match is_defined {
            true => self.library.ir(name).unwrap_or_default(),
            false => String::new(),
        };
        let found = entities(&ir);
        let of_types = found.iter().filter(|it| it.name.starts_with('%'));
        let of_types = of_types.filter(|it| it.what == What::Textual);
        let types: HashMap<&str, &str> = of_types
            .map(|it| (&*it.name, ir[it.range.clone()].trim()))
            .collect();
        let named = |word: &str| {
            let key = word.replace('"', "");
            let own = types.get(&*key).and_then(|text| body_of_type(text));
            own.or_else(|| context.type_named(&key)).map(str::to_owned)
        };
        let defined = found.iter().find(|it| it.is_definition && it.name == name);
        let by_type = type_name.replacen(" (", " @f(", 1);
        let head = match defined.filter(|it| it.what == What::Function) {
            Some(one) => &ir[one.head.clone()],
            None => context.head(name).unwrap_or(&by_type),
        };
        let unfit = || {
            Trouble::with_help(
                format!(
                    "{} is a {type_name}, which can't be called here",
                    quote(name)
                ),
                "define a function of plain parameters that calls it",
            )
        };
        let signature = Signature::read(head, &named).ok_or_else(unfit)?;
        let mut numbers = Vec::new();
        for (word, of) in words.iter().zip(signature.parameters()) {
            self.numbers(context, word, of, &mut numbers)?;
        }
        let address = match is_defined {
            true => Some(self.library.lookup(name)?),
            false => None,
        };
        let mut lines: Vec<&str> = types.values().copied().collect();
        lines.sort_unstable();
        let lines: String = lines.iter().map(|it| format!("{it}\n")).collect();
        let size = signature.result.as_ref().map_or(0, aggregates::words);
        // SAFETY: the user asked for it: what the function does is theirs to know. The types of
        // the arguments are checked.
        let result = unsafe {
            let (callee, how) = ((name, address), (&*lines, &signature));
            self.bridges
                .call_with_words(&self.engine, context, callee, how, &numbers, size)
                .map_err(|trouble| trouble.about(name))?
        };
        Ok(match &signature.result {
            Some(of) => aggregates::show(of, &result).0,
            None => values::show(None),
        })
    }

    /// Adds the numbers of an argument.
    fn numbers(
        &mut self,
        context: &Context,
        word: &Word,
        of: &Type,
        numbers: &mut Vec<u64>,
    ) -> Result<(), Trouble> {
        let unfit = || {
            let help = values::how_to_give(&of.text());
            Trouble::with_help(format!("{} is no {}", word.shown(), of.text()), help)
        };
        if let Some((parts, open, close)) = of.parts() {
            let zero = Word::Plain("0".to_owned());
            let given = match word {
                Word::Plain(text) if text == "zeroinitializer" => {
                    numbers.resize(numbers.len() + aggregates::words(of), 0);
                    return Ok(());
                }
                Word::Text(bytes) if parts.iter().all(|it| **it == Type::Integer(8)) => {
                    let given = bytes.iter().map(|byte| Word::Plain(byte.to_string()));
                    let missing = parts.len().saturating_sub(bytes.len());
                    given.chain(std::iter::repeat_n(zero, missing)).collect()
                }
                Word::Plain(text) => {
                    let inner = text
                        .strip_prefix(open)
                        .and_then(|it| it.strip_suffix(close));
                    elements(inner.ok_or_else(unfit)?, &parts).ok_or_else(unfit)?
                }
                _ => return Err(unfit()),
            };
            if given.len() != parts.len() {
                return Err(unfit());
            }
            for (word, part) in given.iter().zip(parts) {
                self.numbers(context, word, part, numbers)?;
            }
            return Ok(());
        }
        if *of == Type::Pointer {
            let Value::Pointer(address) = self.argument(context, word, "ptr")? else {
                return Err(unfit());
            };
            numbers.push(address.get());
            return Ok(());
        }
        let Word::Plain(word) = word else {
            return Err(unfit());
        };
        numbers.extend(values::number(word, of).ok_or_else(unfit)?);
        Ok(())
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
        let unfit = || {
            let help = values::how_to_give(wanted);
            Trouble::with_help(format!("{} is no {wanted}", word.shown()), help)
        };
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
    let more = match words.get(fixed.len()..) {
        Some(more) if is_variadic => more,
        _ => {
            check_count(name, parameters, words)?;
            &[]
        }
    };
    let guessed = more.iter().map(|word| {
        let help = "give numbers, null, @name for an address, or a text in quotes";
        let unknown = || Trouble::with_help(format!("{} is no value", word.shown()), help);
        values::guess(word).ok_or_else(unknown)
    });
    fixed.iter().copied().map(Ok).chain(guessed).collect()
}

/// Checks that there is an argument for each parameter.
fn check_count(name: &str, parameters: &[&str], words: &[Word]) -> Result<(), Trouble> {
    if words.len() == parameters.len() {
        return Ok(());
    }
    let wanted = parameters.join(", ");
    let given = match words.len() {
        0 => "no argument was given".to_owned(),
        1 => "1 argument was given".to_owned(),
        many => format!("{many} arguments were given"),
    };
    Err(Trouble::said(format!(
        "{} takes ({wanted}), and {given}",
        quote(name)
    )))
}

/// The words between brackets, each of which its type may stand before, as in IR.
fn elements(inner: &str, parts: &[&Type]) -> Option<Vec<Word>> {
    let given = list(inner).into_iter().zip(parts).map(|(text, of)| {
        let text = text
            .strip_prefix(&*of.text())
            .filter(|it| it.starts_with(' '))
            .unwrap_or(text);
        let mut words = split(text).ok()?.into_iter();
        let word = words.next()?;
        words.next().is_none().then_some(word)
    });
    let words: Vec<Word> = given.collect::<Option<_>>()?;
    (words.len() == list(inner).len()).then_some(words)
}

/// Writes out what compiled code printed with C's streams, so that it stands before what comes
/// next.
fn flush_stdio() -> c_int {
    // SAFETY: null stands for all output streams (fflush(3)).
    unsafe { libc::fflush(std::ptr::null_mut()) }
}
