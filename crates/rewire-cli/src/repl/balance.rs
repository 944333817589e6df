//! Whether an input is complete: line by line, so that a long definition costs no more than its
//! length.

use super::lexer::{Token, TokenKind, Tokens};

/// How far a function's definition has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// In no definition of a function.
    #[default]
    Outside,
    /// Behind `define`.
    Head,
    /// Behind the name.
    Named,
    /// Behind the list of parameters; the next brace opens the body.
    Listed,
    /// In the body.
    Body,
}

/// What is open at the end of the text that was seen so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Balance {
    depth: usize,
    place: Place,
    /// In a string that went on past the end of a line.
    in_text: bool,
    /// A line ends with something that has to go on: `=` or a comma.
    goes_on: bool,
    /// How many of the next braces are no body: a constant's type and value.
    constants: u8,
    after_mark: bool,
}

impl Balance {
    /// Sees one more line.
    pub(crate) fn feed(&mut self, line: &str) {
        let mut rest = line;
        if self.in_text {
            let Some(end) = rest.find('"') else { return };
            rest = &rest[end + 1..];
            self.in_text = false;
        }
        for token in Tokens::new(rest) {
            self.take(&token);
        }
    }

    /// Sees one more token.
    pub(crate) fn take(&mut self, token: &Token<'_>) {
        self.in_text = token.kind == TokenKind::OpenText;
        self.goes_on = self.depth == 0 && matches!(token.text, "=" | ",");
        let after_mark = std::mem::replace(&mut self.after_mark, token.text == "!");
        if self.place == Place::Body {
            self.take_in_body(token.text);
            return;
        }
        let is_top = self.depth == 0;
        match token.kind {
            TokenKind::Open if is_top && token.text == "{" && self.place == Place::Listed => {
                if self.constants > 0 {
                    self.constants -= 1;
                } else if !after_mark {
                    self.place = Place::Body;
                }
                self.depth = 1;
            }
            TokenKind::Open => self.depth += 1,
            TokenKind::Close => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 && token.text == ")" && self.place == Place::Named {
                    self.place = Place::Listed;
                }
            }
            TokenKind::Word if is_top && token.text == "define" => self.place = Place::Head,
            TokenKind::Global if is_top && self.place == Place::Head => self.place = Place::Named,
            // `prefix { i32 } { i32 1 } {`: only the third brace opens the body.
            TokenKind::Word if is_top => {
                self.constants = if matches!(token.text, "prefix" | "prologue") {
                    2
                } else {
                    0
                };
            }
            _ => {}
        }
    }

    /// In a body only braces count, so that a parenthesis that is missing there is an error of
    /// this definition alone.
    fn take_in_body(&mut self, text: &str) {
        match text {
            "{" => self.depth += 1,
            "}" => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    self.place = Place::Outside;
                }
            }
            _ => {}
        }
    }

    /// Whether nothing is open.
    pub(crate) fn is_complete(&self) -> bool {
        self.depth == 0 && self.place == Place::Outside && !self.in_text && !self.goes_on
    }

    /// Whether a new definition may begin at the next token.
    pub(crate) fn is_top(&self) -> bool {
        self.depth == 0
    }

    /// Where in a function's definition the text ends.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// Whether a line can't belong to the definition that is open: a command, or the next function.
    pub(crate) fn is_broken_off_by(&self, line: &str) -> bool {
        let is_command = line
            .strip_prefix(':')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()));
        !self.is_complete()
            && !self.in_text
            && (is_command || (self.place == Place::Body && line.starts_with("define ")))
    }
}
