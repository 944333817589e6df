//! Messages on standard error, which may be closed or full: nobody can be told of that, and it must
//! not end what runs. What messages quote (names of files and functions, lines of sources) may hold
//! any character, and only the program's own colours get to a terminal.

use std::fmt;
use std::io::{self, IsTerminal, StderrLock, Write};

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
    Message::new().escaped(text);
}

/// Writes what a compiler or the reader of options says to standard error, with the colours that it
/// gave it (ECMA-48, "SGR").
pub(crate) fn say_coloured(text: &str) {
    let mut message = Message::new();
    let mut rest = text;
    while let Some(at) = rest.find("\x1b[") {
        let parameters = &rest[at + 2..];
        let length = parameters.find(|c: char| !c.is_ascii_digit() && c != ';');
        let Some(length) = length.filter(|end| parameters[*end..].starts_with('m')) else {
            message.escaped(format_args!("{}", &rest[..at + 2]));
            rest = parameters;
            continue;
        };
        message.escaped(format_args!("{}", &rest[..at]));
        for part in ["\x1b[", &parameters[..length], "m"] {
            message.add(part.as_bytes());
        }
        rest = &parameters[length + 1..];
    }
    message.escaped(format_args!("{rest}"));
}

/// A message on its way to standard error. No other thread's gets between its parts, and one that
/// fits into the buffer reaches the file in one write(2), so that other processes' don't either.
/// Allocates no memory.
struct Message {
    stderr: StderrLock<'static>,
    buffer: [u8; 1024],
    length: usize,
}

impl Message {
    fn new() -> Self {
        Self {
            stderr: io::stderr().lock(),
            buffer: [0; 1024],
            length: 0,
        }
    }

    fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.length == self.buffer.len() {
                self.write();
            }
            let taken = bytes.len().min(self.buffer.len() - self.length);
            self.buffer[self.length..][..taken].copy_from_slice(&bytes[..taken]);
            self.length += taken;
            bytes = &bytes[taken..];
        }
    }

    /// Adds a text without other control characters than line ends and tabs.
    fn escaped(&mut self, text: fmt::Arguments<'_>) {
        let _ = fmt::Write::write_fmt(&mut Escaped(self), text);
    }

    fn write(&mut self) {
        let _ = self.stderr.write_all(&self.buffer[..self.length]);
        self.length = 0;
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        self.write();
    }
}

struct Escaped<'m>(&'m mut Message);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        fmt::Write::write_fmt(&mut Plain(self.0), format_args!("{}", escape_control(text)))
    }
}

struct Plain<'m>(&'m mut Message);

impl fmt::Write for Plain<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.add(text.as_bytes());
        Ok(())
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
    let mut message = Message::new();
    for part in [colour, kind, plain, ": "] {
        message.add(part.as_bytes());
    }
    message.escaped(format_args!("{what}\n"));
    if let Some(help) = help {
        for part in [cyan, "help", plain, ": "] {
            message.add(part.as_bytes());
        }
        message.escaped(format_args!("{help}\n"));
    }
}

/// Prints an error of the engine's.
pub(crate) fn engine_error(problem: &Error) {
    error(&problem.to_string(), problem.help().as_deref());
}
