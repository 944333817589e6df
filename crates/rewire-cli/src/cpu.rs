//! `--cpu`: which processor code is for.

use std::io::{self, Write};

use rewire::{Cpu, Error, KnownCpus};

use crate::message;
use crate::problem::Problem;

/// What lists the names instead of running something.
pub(crate) const HELP: &str = "help";

/// The processor of a text, or what is wrong with the command line.
pub(crate) fn parse(text: &str) -> Result<Cpu, Problem> {
    text.parse().map_err(|error| Problem::Usage {
        what: format!("--cpu {text}: {error}"),
        help: Some(
            "`rewire run --cpu help` lists processors and features; features need a `+` or a `-`"
                .to_owned(),
        ),
    })
}

/// Prints all names, and returns the exit code.
pub(crate) fn list() -> i32 {
    let known = match KnownCpus::list() {
        Ok(known) => known,
        Err(error) => {
            message::engine_error(&Error::from(error));
            return rewire::EXIT_LOAD;
        }
    };
    let mut text = String::from("Processors:\n  baseline\n  host\n");
    for (title, names) in [("", &known.cpus), ("Features:\n", &known.features)] {
        text.push_str(title);
        for name in names {
            text.push_str(&format!("  {name}\n"));
        }
    }
    let written = io::stdout().write_all(text.as_bytes());
    written.map_or_else(|error| message::no_output(&error), |()| 0)
}
