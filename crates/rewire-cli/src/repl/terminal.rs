//! Inputs from a terminal: line editing, history, completion.

use std::fs;
use std::path::PathBuf;

use rewire::{Engine, Library};
use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use super::balance::Balance;
use super::command::COMMANDS;
use super::input::{Input, Inputs, Next, is_blank};
use super::lexer::{is_of_name, quote};

/// What the user is asked with.
const PROMPT: &str = "rewire> ";

/// The same where an input goes on.
const GOES_ON: &str = "   ...> ";

/// How many inputs are kept.
const KEPT: usize = 10_000;

/// A terminal that the user types at.
pub(crate) struct Terminal {
    editor: Editor<Assistant, FileHistory>,
    history: Option<PathBuf>,
    /// A command that broke an input off.
    ahead: Option<String>,
}

impl Terminal {
    /// Takes the terminal, and reads the history.
    pub(crate) fn new(engine: &Engine) -> Result<Self, ReadlineError> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .max_history_size(KEPT)?
            .auto_add_history(false)
            .build();
        let mut editor = Editor::with_config(config)?;
        editor.set_helper(Some(Assistant {
            engine: engine.clone(),
            library: engine.main(),
            files: FilenameCompleter::new(),
        }));
        let history = history_file();
        if let Some(path) = &history {
            // There is none at first.
            let _ = editor.load_history(path);
        }
        Ok(Self {
            editor,
            history,
            ahead: None,
        })
    }

    /// Adds an input to the history at once: compiled code may end the process. A history that
    /// can't be written is no reason to stop.
    fn note(&mut self, text: &str) {
        let is_new = self.editor.add_history_entry(text);
        if let (Ok(true), Some(path)) = (is_new, &self.history)
            && let Err(error) = self.editor.append_history(path)
        {
            tracing::info!(path = %path.display(), %error, "the history can't be written");
        }
    }
}

impl Inputs for Terminal {
    fn next(&mut self) -> Next {
        loop {
            let text = match self.text() {
                Ok(text) => text,
                Err(ReadlineError::Interrupted) => continue,
                Err(ReadlineError::Eof) => return Next::End,
                Err(error) => {
                    tracing::info!(%error, "the terminal is gone");
                    return Next::End;
                }
            };
            if is_blank(&text) {
                continue;
            }
            self.note(text.trim_end());
            return Next::Input(Input {
                is_complete: is_command(&text) || balance(&text).is_complete(),
                text,
                line: 1,
            });
        }
    }
}

impl Terminal {
    /// What the user types until its braces balance, or a command breaks it off.
    fn text(&mut self) -> Result<String, ReadlineError> {
        if let Some(command) = self.ahead.take() {
            return Ok(command);
        }
        let mut text = self.editor.readline(PROMPT)?;
        while !is_command(&text) && !is_blank(&text) && !balance(&text).is_complete() {
            let line = match self.editor.readline(GOES_ON) {
                Ok(line) => line,
                // The input ends where the terminal does.
                Err(ReadlineError::Eof) => break,
                Err(error) => return Err(error),
            };
            if balance(&text).is_broken_off_by(&line) {
                self.ahead = Some(line);
                break;
            }
            text.push('\n');
            text.push_str(&line);
        }
        Ok(text)
    }
}

/// The file in the user's state directory (XDG Base Directory Specification).
fn history_file() -> Option<PathBuf> {
    let state = match std::env::var_os("XDG_STATE_HOME").filter(|it| !it.is_empty()) {
        Some(state) => PathBuf::from(state),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".local/state"),
    };
    let folder = state.join("rewire");
    fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

fn is_command(text: &str) -> bool {
    text.trim_start().starts_with(':')
}

fn balance(text: &str) -> Balance {
    let mut balance = Balance::default();
    for line in text.lines() {
        balance.feed(line);
    }
    balance
}

/// Helps while a line is typed.
struct Assistant {
    engine: Engine,
    library: Library,
    files: FilenameCompleter,
}

impl Helper for Assistant {}

impl Hinter for Assistant {
    type Hint = String;
}

impl Highlighter for Assistant {}

impl Validator for Assistant {}

impl Completer for Assistant {
    type Candidate = Pair;

    /// The engine is asked for names only here.
    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = &line[..position];
        let command = before.trim_start();
        let start = before.len() - command.len();
        if !command.starts_with(':') {
            return Ok(self.global(before));
        }
        let Some((name, rest)) = command.split_once(char::is_whitespace) else {
            let known = COMMANDS.iter().filter(|one| one.name.starts_with(command));
            return Ok((start, known.map(|one| pair(one.name, " ")).collect()));
        };
        match name {
            ":load" => self.files.complete_path(line, position),
            ":unload" => {
                let prefix = rest.trim_start();
                let names = self.engine.units().into_iter().map(|unit| unit.name);
                let names = names.filter(|name| name.starts_with(prefix));
                let pairs = names.map(|name| pair(&name, "")).collect();
                Ok((before.len() - prefix.len(), pairs))
            }
            _ => Ok(self.name(before)),
        }
    }
}

impl Assistant {
    /// In IR, only what follows an `@` is a name that the engine knows.
    fn global(&self, before: &str) -> (usize, Vec<Pair>) {
        let start = name_start(before);
        if before[..start].ends_with('@') {
            (start, self.names(&before[start..]))
        } else {
            (before.len(), Vec::new())
        }
    }

    fn name(&self, before: &str) -> (usize, Vec<Pair>) {
        let start = name_start(before);
        (start, self.names(&before[start..]))
    }

    fn names(&self, prefix: &str) -> Vec<Pair> {
        let names = self.library.names().into_iter();
        let fitting = names.filter(|(name, _)| name.starts_with(prefix));
        fitting.map(|(name, _)| pair(&quote(&name), "")).collect()
    }
}

fn name_start(before: &str) -> usize {
    before.trim_end_matches(is_of_name).len()
}

fn pair(name: &str, after: &str) -> Pair {
    Pair {
        display: name.to_owned(),
        replacement: format!("{name}{after}"),
    }
}
