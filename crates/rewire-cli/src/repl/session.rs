//! What the REPL does with an input.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use rewire::{Changed, Engine, FunctionState, Library, OptLevel, Replaced, escape_control};

use super::call::Calls;
use super::change;
use super::command::{self, Command};
use super::context::{Context, Prepared, linker_name};
use super::disassembly::{Names, disassemble};
use super::entity::{Entity, What, entities};
use super::input::Input;
use super::lexer::quote;
use super::trouble::Trouble;
use super::{explain, show};
use crate::source_flags::SourceFlags;
use crate::sources::SourceOptions;
use crate::{input as files, message, reload};

/// How an input ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Well.
    Done,
    /// With an error, which the user was told.
    Failed,
    /// The user wants to leave.
    Quit,
}

/// An engine, and what was said to it.
#[derive(Debug)]
pub(crate) struct Session<'s> {
    engine: Engine,
    library: Library,
    /// How sources are compiled.
    how: SourceOptions<'s>,
    context: Context,
    calls: Calls,
    /// How many inputs changed something; units are called by it.
    inputs: usize,
    is_timed: bool,
}

impl<'s> Session<'s> {
    pub(crate) fn new(engine: Engine, level: OptLevel, flags: &'s SourceFlags) -> Self {
        Self {
            library: engine.main(),
            calls: Calls::new(&engine),
            engine,
            how: SourceOptions::baseline(level, flags),
            context: Context::default(),
            inputs: 0,
            is_timed: false,
        }
    }

    /// Does what an input says, and tells the user what came of it.
    pub(crate) fn take(&mut self, input: &Input) -> Ending {
        let began = Instant::now();
        let text = input.text.trim();
        let result = if text.starts_with(':') {
            Command::parse(text).and_then(|command| self.obey(command, input.line))
        } else {
            self.define(input).map(Some)
        };
        let time = began.elapsed();
        let ending = match result {
            Ok(Some(result)) => say(&result),
            Ok(None) => return Ending::Quit,
            Err(trouble) => {
                tell(trouble, input.line);
                Ending::Failed
            }
        };
        if self.is_timed && say(&format!("time {:.3} ms", milliseconds(time))) == Ending::Failed {
            return Ending::Failed;
        }
        ending
    }

    /// Adds or replaces what the input defines.
    fn define(&mut self, input: &Input) -> Result<String, Trouble> {
        if !input.is_complete {
            return Err(Trouble::with_help(
                "what begins here has no end",
                "a definition ends with the brace that closes its body",
            ));
        }
        check_named(&input.text)?;
        let prepared = self.context.prepare(&self.library, &input.text);
        let changed = if Context::can_wait(&prepared.entities) {
            Changed::default()
        } else {
            self.commit(&prepared)?
        };
        warn(&changed, input.line);
        let entities = &prepared.entities;
        let told = self.told(entities, &changed);
        self.context.remember(&self.library, &input.text, entities);
        Ok(told)
    }

    /// Makes an input's module a unit.
    fn commit(&mut self, prepared: &Prepared) -> Result<Changed, Trouble> {
        let unit = format!("input.{}", self.inputs + 1);
        match change::define(&self.library, &unit, prepared.text.as_bytes()) {
            Ok(changed) => {
                self.inputs += 1;
                Ok(changed)
            }
            Err(error) => Err(explain::explain(error, &unit, prepared)),
        }
    }

    /// A line for each thing that was defined, in the order of the input; or for each that was
    /// declared, if nothing was defined.
    fn told(&self, entities: &[Entity], changed: &Changed) -> String {
        let has_definitions = entities.iter().any(|one| one.is_definition);
        let shown = entities
            .iter()
            .filter(|one| one.is_definition == has_definitions);
        let lines: Vec<String> = shown.map(|one| self.told_of(one, changed)).collect();
        lines.join("\n")
    }

    fn told_of(&self, one: &Entity, changed: &Changed) -> String {
        if one.what == What::Textual {
            let did = match self.context.has_textual(&one.name) {
                true => "replaced",
                false => "defined",
            };
            let (mark, name) = one.name.split_at(1);
            let name = match mark {
                "%" | "$" => quote(name),
                _ => name.to_owned(),
            };
            return format!("{did} {mark}{name}");
        }
        let name = linker_name(&one.name);
        if !one.is_definition {
            return format!("declared {}", quote(name));
        }
        let mut replaced = changed.replaced.iter();
        match replaced.find(|it| &*it.name == name) {
            Some(it) => replacement(it),
            None => format!("defined {}", quote(name)),
        }
    }

    /// What a command says; `None` to leave.
    fn obey(&mut self, command: Command, line: usize) -> Result<Option<String>, Trouble> {
        Ok(Some(match command {
            Command::Quit => return Ok(None),
            Command::Help => command::help(),
            Command::Call { name, arguments } => {
                self.calls.call(&self.context, &name, &arguments)?
            }
            Command::Load(file) => self.load(Path::new(&file), line)?,
            Command::Unload(unit) => told_change(&change::unload(&self.engine, &unit)?),
            Command::Remove { name, force } => {
                self.known(&name)?;
                told_change(&change::remove(&self.library, &name, force)?)
            }
            Command::Undo => match told_change(&change::undo(&self.engine)?) {
                told if told.is_empty() => "undone".to_owned(),
                told => told,
            },
            Command::List(text) => show::list(&self.library, text.as_deref()),
            Command::State(name) => show::state(&self.known(&name)?, &self.engine.report()),
            Command::Users(name) => show::users(&self.known(&name)?),
            Command::Ir(name) => {
                self.known(&name)?;
                self.library.ir(&name)?
            }
            Command::Asm(name) => self.assembly(&name)?,
            Command::Memory => show::memory(&self.engine),
            Command::Time(is_timed) => {
                self.is_timed = is_timed;
                return Ok(Some(String::new()));
            }
        }))
    }

    /// What the ledger knows of a name that a command is about.
    fn known(&self, name: &str) -> Result<FunctionState, Trouble> {
        let unknown = || {
            Trouble::with_help(
                format!("nothing defines or declares {}", quote(name)),
                ":list says what is defined",
            )
        };
        self.library.state(name).ok_or_else(unknown)
    }

    /// Loads a file, as `rewire run` does.
    fn load(&mut self, path: &Path, line: usize) -> Result<String, Trouble> {
        let mut library = |path: &Path| Ok(self.engine.load_library(&path.to_string_lossy())?);
        let shown = path.display();
        let Some(ir) = files::read(path, self.how, &mut library)? else {
            return Ok(format!("loaded {shown}"));
        };
        let changed = reload::load(&self.engine, &path.to_string_lossy(), &ir)?;
        warn(&changed, line);
        let counts = reload::summary(&changed);
        Ok(format!("loaded {shown} ({counts})"))
    }

    fn assembly(&self, name: &str) -> Result<String, Trouble> {
        let name = self.known(name)?.name;
        let code = self.library.machine_code(&name);
        let code = code.ok_or_else(|| {
            Trouble::with_help(
                format!("{} is not compiled", quote(&name)),
                "it is when it is first called",
            )
        })?;
        // Without it, only what the code calls has names.
        let ir = self.library.ir(&name).unwrap_or_default();
        let names = Names::new(&self.engine, &self.library, &code, &ir);
        Ok(disassemble(&code, names))
    }
}

/// Checks that what is defined has a name: a number is its module's own, and an input is a module.
fn check_named(text: &str) -> Result<(), Trouble> {
    let is_numbered = |one: &Entity| {
        one.what != What::Textual
            && one.is_definition
            && one.name.bytes().all(|byte| byte.is_ascii_digit())
            // Quoted, it is a name.
            && text[one.range.clone()].contains(&format!("@{}", one.name))
    };
    match entities(text).into_iter().find(is_numbered) {
        Some(one) => Err(Trouble::with_help(
            format!(
                "@{} is a number, by which no other input knows it",
                one.name
            ),
            "give it a name",
        )),
        None => Ok(()),
    }
}

fn replacement(replaced: &Replaced) -> String {
    format!(
        "replaced {} (generation {}, {})",
        shown(&replaced.name),
        replaced.generation,
        show::counted(replaced.users, "user"),
    )
}

/// A name as its source has it, if a compiler mangled it.
fn shown(name: &str) -> String {
    match rewire::demangle(name) {
        plain if plain == name => quote(name),
        demangled => demangled,
    }
}

/// A line for each name that a command changed.
fn told_change(changed: &Changed) -> String {
    let added = changed
        .added
        .iter()
        .map(|it| format!("defined {}", shown(it)));
    let replaced = changed.replaced.iter().map(replacement);
    let removed = changed.removed.iter();
    let removed = removed.map(|it| format!("removed {}", shown(it)));
    let lines: Vec<String> = added.chain(replaced).chain(removed).collect();
    lines.join("\n")
}

/// Tells of what a change left behind.
fn warn(changed: &Changed, line: usize) {
    for (what, help) in reload::warnings(changed) {
        message::warning(&format!("line {line}: {what}"), &help);
    }
}

/// Prints a result, and has it out before compiled code prints anything.
fn say(text: &str) -> Ending {
    if text.is_empty() {
        return Ending::Done;
    }
    let mut out = io::stdout().lock();
    // Without a reader, SIGPIPE has ended the process.
    match writeln!(out, "{}", escape_control(text)).and_then(|()| out.flush()) {
        Ok(()) => Ending::Done,
        Err(error) => {
            message::error(&format!("cannot write to standard output: {error}"), None);
            Ending::Failed
        }
    }
}

/// Prints an error with its place.
fn tell(trouble: Trouble, first: usize) {
    let (place, what, help) = match trouble {
        Trouble::Engine(error) => (format!("line {first}"), error.to_string(), error.help()),
        Trouble::Said { what, help } => (format!("line {first}"), what, help),
        Trouble::Refused { what, said } => {
            message::error(&format!("line {first}: {what}"), None);
            return message::say_coloured(&said);
        }
        Trouble::At {
            line,
            column,
            what,
            help,
        } => {
            let place = format!("line {}, column {column}", first + line - 1);
            (place, what, help)
        }
    };
    message::error(&format!("{place}: {what}"), help.as_deref());
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
