//! Commands: what begins with a colon.

use super::trouble::Trouble;
use super::words::{Word, split};

/// What a command is about, for `:help` and completion.
pub(crate) struct Described {
    /// With its colon.
    pub(crate) name: &'static str,
    /// What it takes.
    pub(crate) takes: &'static str,
    /// What it does.
    pub(crate) does: &'static str,
}

/// All commands, in the order of `:help`.
pub(crate) const COMMANDS: &[Described] = &[
    described(
        ":call",
        "NAME ARGS...",
        "call it: numbers, true, false, null, @name, \"text\"",
    ),
    described(
        ":load",
        "FILE",
        "load IR or a source; what it defines replaces what there is",
    ),
    described(
        ":unload",
        "UNIT",
        "remove all that an input or a file defined",
    ),
    described(":remove", "NAME", "remove a definition that nothing uses"),
    described(
        ":remove!",
        "NAME",
        "remove it although it is used: its callers get an error",
    ),
    described(":undo", "", "take back the last change"),
    described(
        ":list",
        "[TEXT]",
        "what is defined; only names with TEXT in them",
    ),
    described(":state", "NAME", "what the engine knows of it"),
    described(":users", "NAME", "who uses it"),
    described(":ir", "NAME", "its IR"),
    described(":asm", "NAME", "its machine code"),
    described(
        ":memory",
        "",
        "bytes of code and data, and what was compiled",
    ),
    described(":time", "on|off", "say how long each input took"),
    described(":help", "", "this list"),
    described(":quit", "", "leave"),
];

const fn described(name: &'static str, takes: &'static str, does: &'static str) -> Described {
    Described { name, takes, does }
}

/// A command that was understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Call { name: String, arguments: Vec<Word> },
    Load(String),
    Unload(String),
    Remove { name: String, force: bool },
    Undo,
    List(Option<String>),
    State(String),
    Users(String),
    Ir(String),
    Asm(String),
    Memory,
    Time(bool),
    Help,
    Quit,
}

impl Command {
    /// Reads a line that begins with a colon.
    pub(crate) fn parse(line: &str) -> Result<Self, Trouble> {
        let line = line.trim();
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let Some(known) = COMMANDS.iter().find(|one| one.name == name) else {
            let help = match meant(&name[1..]) {
                Some(meant) => format!("perhaps {meant}; :help lists the commands"),
                None => ":help lists the commands".to_owned(),
            };
            return Err(Trouble::with_help(format!("{name} is no command"), help));
        };
        let usage = || {
            let usage = format!("usage: {} {}", known.name, known.takes);
            Trouble::said(usage.trim_end())
        };
        // Names of files may have blanks and quotes in them.
        match (known.name, unquoted(rest)) {
            (":load" | ":unload", name) if name.is_empty() => return Err(usage()),
            (":load", name) => return Ok(Self::Load(name)),
            (":unload", name) => return Ok(Self::Unload(name)),
            _ => {}
        }
        let mut words = split(rest).map_err(Trouble::said)?.into_iter();
        let name = words.next().map(Word::into_name);
        let command = match (known.name, name) {
            (":call", Some(name)) => {
                return Ok(Self::Call {
                    name,
                    arguments: words.collect(),
                });
            }
            (":remove", Some(name)) => Self::Remove { name, force: false },
            (":remove!", Some(name)) => Self::Remove { name, force: true },
            (":list", text) => Self::List(text),
            (":state", Some(name)) => Self::State(name),
            (":users", Some(name)) => Self::Users(name),
            (":ir", Some(name)) => Self::Ir(name),
            (":asm", Some(name)) => Self::Asm(name),
            (":time", Some(how)) if how == "on" => Self::Time(true),
            (":time", Some(how)) if how == "off" => Self::Time(false),
            (":undo", None) => Self::Undo,
            (":memory", None) => Self::Memory,
            (":help", None) => Self::Help,
            (":quit", None) => Self::Quit,
            _ => return Err(usage()),
        };
        match words.next() {
            None => Ok(command),
            Some(_) => Err(usage()),
        }
    }
}

/// The command that a word probably stands for: what another program calls it, or how it begins.
pub(crate) fn meant(word: &str) -> Option<&'static str> {
    match word {
        "" => None,
        "?" | "h" => Some(":help"),
        "exit" | "bye" | "q" => Some(":quit"),
        _ => {
            let begins = |one: &&Described| one.name[1..].starts_with(word);
            COMMANDS.iter().find(begins).map(|one| one.name)
        }
    }
}

/// All that follows the command. It may be in quotes, or have its blanks behind backslashes, as
/// completion writes them.
fn unquoted(rest: &str) -> String {
    let rest = rest.trim();
    match rest.strip_prefix('"').and_then(|it| it.strip_suffix('"')) {
        Some(quoted) => quoted.to_owned(),
        None => rest.replace("\\ ", " "),
    }
}

/// What `:help` says.
pub(crate) fn help() -> String {
    let mut text = String::from(
        "A definition or declaration of LLVM IR is added, or replaces what has its name:\n  \
         define i32 @twice(i32 %x) {\n    %y = shl i32 %x, 1\n    ret i32 %y\n  }\n  \
         :call twice 21\n\
         What was declared or defined before needn't be declared again.\n",
    );
    for one in COMMANDS {
        let usage = format!("{} {}", one.name, one.takes);
        text.push_str(&format!("\n  {usage:<20} {}", one.does));
    }
    text
}
