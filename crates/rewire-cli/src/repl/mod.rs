//! `rewire repl`: definitions and calls, one after the other.
//!
//! ```text
//! pipe, terminal   where inputs come from (input)
//! balance          when one is complete
//! session          what is done with it: definitions, commands (command, words)
//! context          what earlier inputs said, for a module of its own (entity, lexer)
//! explain          LLVM's errors in the lines of the input (trouble)
//! change           changes of what is loaded
//! call             running a function (values; aggregates, types and numbers; bridge), and coming
//!                  back from one that can't run or throws (catching), crashes or is interrupted
//!                  (stop)
//! show             what commands print (disassembly)
//! ```

mod aggregates;
mod balance;
mod bridge;
mod call;
mod catching;
mod change;
mod command;
mod context;
mod disassembly;
mod entity;
mod explain;
mod input;
pub(crate) mod lexer;
mod numbers;
mod pipe;
mod session;
mod show;
mod stop;
mod terminal;
mod trouble;
mod types;
mod values;
mod words;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Instant;

use rewire::{Engine, Options, Recovery};

use self::input::{Inputs, Next};
use self::pipe::Pipe;
use self::session::{Ending, Session};
use self::terminal::Terminal;
use crate::args::{EXIT_USAGE, ReplOptions};
use crate::input::Fate;
use crate::problem::Problem;
use crate::run::{self, report_problem};
use crate::sources::SourceOptions;
use crate::{color, libraries, loader_end, message, report};

/// The exit code of `--strict` at the first error.
const EXIT_STRICT: i32 = 1;

/// Reads inputs until there are no more, and returns the exit code.
pub(crate) fn repl(repl: &ReplOptions, started: Instant) -> i32 {
    color::set_color(repl.color);
    run::start_log(repl.verbose, false);
    let prepared = prepare(repl, started);
    loader_end::register();
    let engine = match prepared {
        Ok(engine) => engine,
        Err(problem) => return report_problem(problem),
    };
    let mut session = Session::new(engine.clone(), repl.level.level(), &repl.source_flags);
    let recovery = Recovery::begin(stop::unable);
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let code = if is_terminal {
        match Terminal::new(&engine) {
            Ok(mut terminal) => {
                // A terminal that is gone shows when the first input is read.
                let _ = writeln!(
                    io::stdout(),
                    "rewire {}, LLVM IR; :help lists the commands",
                    env!("CARGO_PKG_VERSION")
                );
                let begin = || recovery.watch_interrupts();
                converse(&mut session, &mut terminal, begin, repl.strict)
            }
            Err(error) => {
                message::error(&format!("the terminal can't be used: {error}"), None);
                EXIT_USAGE
            }
        }
    } else {
        converse(&mut session, &mut Pipe::new(), || {}, repl.strict)
    };
    // Compiled code may run, and use what it was given, until the process has ended.
    std::mem::forget((engine, session));
    code
}

/// How many inputs `:undo` goes back.
const UNDO_DEPTH: usize = 100;

fn prepare(repl: &ReplOptions, started: Instant) -> Result<Engine, Problem> {
    let level = repl.level.level();
    let engine = Engine::new(Options {
        level,
        threads: repl.threads.unwrap_or_else(run::spare_processors),
        guard_crashes: true,
        undo_depth: UNDO_DEPTH,
        ..Options::default()
    })?;
    if let Some(to) = &repl.report {
        report::at_exit(&engine, to.clone(), started);
    }
    for library in &repl.libraries {
        libraries::load(&engine, library, &repl.library_paths)?;
    }
    let mut load_library = |path: &Path| Ok(engine.load_library(&path.to_string_lossy())?);
    for file in &repl.files {
        if file.as_os_str() == "-" {
            return Err(Problem::Source {
                what: "standard input can't be a FILE: it is where definitions come from".into(),
                help: None,
            });
        }
        crate::input::load(
            &engine,
            file,
            SourceOptions::baseline(level, &repl.source_flags),
            Fate::Replaceable,
            &mut load_library,
        )?;
    }
    engine.finish_loading()?;
    Ok(engine)
}

/// Takes one input after the other; `begin` is called before anything is done with one.
fn converse(
    session: &mut Session<'_>,
    inputs: &mut dyn Inputs,
    begin: impl Fn(),
    is_strict: bool,
) -> i32 {
    loop {
        let ending = match inputs.next() {
            Next::End => return 0,
            Next::Input(input) => {
                begin();
                session.take(&input)
            }
            Next::Bad { line, what } => {
                message::error(&format!("line {line}: {what}"), None);
                Ending::Failed
            }
        };
        match ending {
            Ending::Quit => return 0,
            Ending::Failed if is_strict => return EXIT_STRICT,
            Ending::Failed | Ending::Done => {}
        }
    }
}
