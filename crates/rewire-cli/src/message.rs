//! Messages on standard error, which may be closed or full: nobody can be told of that, and it must
//! not end what runs.

use std::fmt;
use std::io::{IsTerminal, Write};

use rewire::Error;

use crate::color::is_coloured;

/// The exit code when standard output can't be written.
const EXIT_OUTPUT: i32 = 1;

/// Says that standard output can't be written, and returns the exit code for that.
pub(crate) fn no_output(error: &std::io::Error) -> i32 {
    self::error(&format!("cannot write to standard output: {error}"), None);
    EXIT_OUTPUT
}

/// Writes a text to standard error.
pub(crate) fn say(text: fmt::Arguments<'_>) {
    let _ = std::io::stderr().write_fmt(text);
}

/// Prints what is wrong and, where there is something to do, what to do.
pub(crate) fn error(what: &str, help: Option<&str>) {
    error_of(
        format_args!("{what}"),
        help.as_ref().map(|help| help as &dyn fmt::Display),
    );
}

/// As [`error`], without allocating memory.
pub(crate) fn error_of(what: fmt::Arguments<'_>, help: Option<&dyn fmt::Display>) {
    print("error", "\x1b[1;31m", what, help);
}

/// Prints what may turn out wrong, and what to do.
pub(crate) fn warning(what: &str, help: &str) {
    print("warning", "\x1b[1;33m", format_args!("{what}"), Some(&help));
}

fn print(kind: &str, colour: &str, what: fmt::Arguments<'_>, help: Option<&dyn fmt::Display>) {
    let (colour, cyan, plain) = if is_coloured(std::io::stderr().is_terminal()) {
        (colour, "\x1b[1;36m", "\x1b[0m")
    } else {
        ("", "", "")
    };
    say(format_args!("{colour}{kind}{plain}: {what}\n"));
    if let Some(help) = help {
        say(format_args!("{cyan}help{plain}: {help}\n"));
    }
}

/// Prints an error of the engine's.
pub(crate) fn engine_error(problem: &Error) {
    error(&problem.to_string(), problem.help().as_deref());
}
