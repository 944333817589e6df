//! Measures what replacing functions costs. `benches/orc_peer.cpp` does the same work with LLVM's
//! own JIT and has the same command line; `cargo xtask bench` runs both in turn.
//!
//! The work is done over the public interface of `rewire`, at level 0, without compile threads,
//! with the allocator of the system. What is printed is one figure a line, the first word of which
//! says what it is. Whatever is unexpected ends the program with code 1, so that a figure is never
//! one of work that was not done.

mod across;
mod clock;
mod hot;
mod link;
mod process;
mod redefine;
mod remove_add;
mod replace;
mod replaced;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use rewire::{CompileObserver, Engine, Level, OptLevel, Options};

/// What anything here may fail with.
type Outcome<T> = Result<T, Box<dyn Error>>;

const USAGE: &str = "usage: replacing replace FILE COUNT all|called\n       \
     replacing link FILE COUNT\n       \
     replacing hot CALLS\n       \
     replacing remove-add CYCLES\n       \
     replacing redefine COUNT\n       \
     replacing across";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let Some(result) = run(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("replacing: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Does what the command line says; `None` if it says nothing that there is.
fn run(arguments: &[&str]) -> Option<Outcome<()>> {
    let number = |text: &str| text.parse().ok().filter(|number| *number > 0);
    Some(match *arguments {
        ["replace", file, count, "all"] => replace::run(Path::new(file), number(count)?, true),
        ["replace", file, count, "called"] => replace::run(Path::new(file), number(count)?, false),
        ["link", file, count] => link::run(Path::new(file), number(count)?),
        ["hot", calls] => hot::run(i32::try_from(number(calls)?).ok()?),
        ["remove-add", cycles] => remove_add::run(number(cycles)?),
        ["across"] => across::run(),
        ["redefine", count] => redefine::run(number(count)?),
        _ => return None,
    })
}

/// An engine as all cases use it.
fn engine(compile_observer: Option<Arc<dyn CompileObserver>>) -> Outcome<Engine> {
    Ok(Engine::new(Options {
        level: OptLevel::Fixed(Level::O0),
        compile_observer,
        ..Options::default()
    })?)
}

/// Says that compiled code returned what it must not.
fn expect(found: i32, wanted: i32, what: &str) -> Outcome<()> {
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{what} returned {found}, not {wanted}").into())
    }
}
