//! The end-to-end tests: programs in `tests/cases` in every mode against their native builds, and
//! the behaviours that the command line promises. `tests/README.md` tells how to add a case.
//!
//! ```text
//! case.rs         directives of a case
//! skip.rs         what is known to fail
//! matrix.rs       case x mode, compared with native
//! artefacts.rs    what was linked, before the link checker
//! process.rs      running commands
//! support.rs      a folder and expectations for the tests of single behaviours:
//! bad_input.rs    load_errors.rs    cli.rs    report.rs    streams.rs    trace.rs
//! inspect.rs      languages.rs      limits.rs    messages.rs  outputs.rs
//! start.rs         verifying.rs
//! repl.rs         tests/repl, through a pipe
//! repl_terminal.rs, pty.rs: the same at a terminal
//! ```

#[macro_use]
mod support;

mod archives;
mod artefacts;
mod bad_input;
mod cache;
mod case;
mod cli;
mod debugging;
mod inlining;
mod inspect;
mod languages;
mod limits;
mod load_errors;
mod matrix;
mod messages;
mod outputs;
mod process;
mod pty;
mod repl;
mod repl_terminal;
mod report;
mod skip;
mod source_flags;
mod start;
mod streams;
mod tiers;
mod trace;
mod verifying;
mod watch;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use crate::support::Bench;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, String> {
    // What one test compiles isn't to be found by another, or by the user. Tests of the cache name
    // a folder.
    // SAFETY: there is no other thread yet.
    unsafe { std::env::set_var("REWIRE_CACHE", "off") };
    let arguments = Arguments::from_args();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests");
    let tests = tests
        .canonicalize()
        .map_err(|e| format!("{}: {e}", tests.display()))?;
    let cases = case::read_all(&tests.join("cases"))?;
    let skip = Arc::new(skip::SkipList::read(&tests.join("skip.txt"), &cases)?);
    let scratch = tempfile::tempdir().map_err(|e| e.to_string())?;
    let bench = Bench::new(scratch.path());

    let mut trials = own_tests(&bench);
    trials.extend(matrix::trials(cases, &skip, scratch.path()));
    trials.extend(support::REGISTERED.iter().flat_map(|make| make(&bench)));
    let conclusion = libtest_mimic::run(&arguments, trials);

    if conclusion.has_failed() && std::env::var_os("REWIRE_KEEP").is_some() {
        eprintln!("kept: {}", scratch.keep().display());
    }
    Ok(conclusion.exit_code())
}

/// Tests of this runner: that it can fail.
fn own_tests(bench: &Arc<Bench>) -> Vec<Trial> {
    vec![
        bench.test("runner::unknown_directives_are_errors", |_| {
            case::tests::unknown_directives_are_errors()
        }),
        bench.test("runner::directives_are_read", |_| {
            case::tests::directives_are_read()
        }),
        bench.test("runner::skip_entries_must_make_sense", |_| {
            skip::tests::entries_must_make_sense()
        }),
        bench.test("runner::names_are_read_back", |_| {
            artefacts::tests::names_are_read_back()
        }),
        bench.test("runner::an_unlinked_object_is_refused", |f| {
            artefacts::tests::an_unlinked_object_is_refused(&f.path)
        }),
        bench.test("runner::a_hanging_program_is_killed", |_| {
            process::tests::a_hanging_program_is_killed()
        }),
    ]
}
