//! One input, wherever it came from.

/// A definition, a declaration or a command.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    /// Its lines.
    pub(crate) text: String,
    /// The number of its first line, from 1: of the stream, or of what was typed.
    pub(crate) line: usize,
    /// Whether its braces balance; if not, nothing more can come of it.
    pub(crate) is_complete: bool,
}

/// What came instead of, or with, the next input.
#[derive(Clone, Debug)]
pub(crate) enum Next {
    /// This input.
    Input(Input),
    /// A line that can't be taken, and why.
    Bad { line: usize, what: String },
    /// Nothing more.
    End,
}

/// Where inputs come from.
pub(crate) trait Inputs {
    /// The next one.
    fn next(&mut self) -> Next;
}

/// Whether a text is nothing but blanks and comments.
pub(crate) fn is_blank(text: &str) -> bool {
    super::lexer::Tokens::new(text).next().is_none()
}
