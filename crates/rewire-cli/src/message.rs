//! Messages on standard error, which may be closed or full: nobody can be told of that, and it must
//! not end what runs. What messages quote (names of files and functions, lines of sources) may hold
//! any character, and only the program's own colours get to a terminal.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use rewire::{Error, escape_control};

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
    let _ = fmt::Write::write_fmt(&mut EscapedStderr, text);
}

/// Writes what a compiler or the reader of options says to standard error, with the colours that it
/// gave it (ECMA-48, "SGR").
pub(crate) fn say_coloured(text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find("\x1b[") {
        let parameters = &rest[at + 2..];
        let length = parameters.find(|c: char| !c.is_ascii_digit() && c != ';');
        let Some(length) = length.filter(|end| parameters[*end..].starts_with('m')) else {
            say(format_args!("{}", &rest[..at + 2]));
            rest = parameters;
            continue;
        };
        say(format_args!("{}", &rest[..at]));
        write_as_it_is(format_args!("\x1b[{}m", &parameters[..length]));
        rest = &parameters[length + 1..];
    }
    say(format_args!("{rest}"));
}

fn write_as_it_is(text: fmt::Arguments<'_>) {
    let _ = io::stderr().write_fmt(text);
}

/// Standard error, without other control characters than line ends and tabs. Allocates no memory.
struct EscapedStderr;

impl fmt::Write for EscapedStderr {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write!(io::stderr(), "{}", escape_control(text)).map_err(|_| fmt::Error)
    }
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
    let (colour, cyan, plain) = if is_coloured(io::stderr().is_terminal()) {
        (colour, "\x1b[1;36m", "\x1b[0m")
    } else {
        ("", "", "")
    };
    write_as_it_is(format_args!("{colour}{kind}{plain}: "));
    say(format_args!("{what}\n"));
    if let Some(help) = help {
        write_as_it_is(format_args!("{cyan}help{plain}: "));
        say(format_args!("{help}\n"));
    }
}

/// Prints an error of the engine's.
pub(crate) fn engine_error(problem: &Error) {
    error(&problem.to_string(), problem.help().as_deref());
}
