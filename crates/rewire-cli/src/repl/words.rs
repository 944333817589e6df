//! The words behind a command.

use super::lexer::{TokenKind, Tokens};

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// As it stands there.
    Plain(String),
    /// What is in quotes.
    Text(Vec<u8>),
    /// The name of `@name`, `@"a name"`.
    Global(String),
}

impl Word {
    /// As a name: `f`, `@f`, `"f"` and `@"f"` are the same.
    pub(crate) fn into_name(self) -> String {
        match self {
            Self::Plain(name) | Self::Global(name) => name,
            Self::Text(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// As messages show it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Plain(word) => word.clone(),
            Self::Text(bytes) => format!("\"{}\"", bytes.escape_ascii()),
            Self::Global(name) => format!("@{name}"),
        }
    }
}

/// Splits at blanks, and at commas followed by one; what is in brackets is one word.
pub(crate) fn split(text: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let after = if rest.starts_with('"') {
            let (bytes, after) = text_of(rest)?;
            words.push(Word::Text(bytes));
            after
        } else if rest.starts_with("@\"") {
            let name = Tokens::new(rest)
                .next()
                .filter(|it| it.kind == TokenKind::Global);
            let name = name.ok_or_else(|| format!("a quote is open: {rest}"))?;
            let plain = name
                .name()
                .ok_or_else(|| format!("no UTF-8: {}", name.text))?;
            words.push(Word::Global(plain));
            &rest[name.end()..]
        } else if rest.starts_with(['<', '[', '{']) {
            let end = end_of_brackets(rest).ok_or_else(|| format!("a bracket is open: {rest}"))?;
            words.push(Word::Plain(rest[..end].to_owned()));
            &rest[end..]
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let word = rest[..end].trim_end_matches(',');
            words.extend((!word.is_empty()).then(|| match word.strip_prefix('@') {
                Some(name) => Word::Global(name.to_owned()),
                None => Word::Plain(word.to_owned()),
            }));
            &rest[end..]
        };
        let separated = after.trim_start_matches(',').trim_start();
        if separated.len() == after.len() && !after.is_empty() {
            return Err(format!("a blank is missing before {after}"));
        }
        rest = separated;
    }
    Ok(words)
}

/// Where the brackets end that a text begins with.
fn end_of_brackets(text: &str) -> Option<usize> {
    let (mut depth, mut is_quoted) = (0usize, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            '<' | '[' | '{' => depth += 1,
            '>' | ']' | '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// The bytes of a string at the beginning of a text, and what follows it. It may have `\n`, `\t`,
/// `\r`, `\"`, `\\`, and `\xx` for the byte with these digits, as in IR.
fn text_of(text: &str) -> Result<(Vec<u8>, &str), String> {
    let bytes = text.as_bytes();
    let mut plain = Vec::new();
    let mut at = 1;
    loop {
        match bytes.get(at) {
            None => return Err(format!("a quote is open: {text}")),
            Some(b'"') => return Ok((plain, &text[at + 1..])),
            Some(b'\\') => {
                let digit = |at: usize| (*bytes.get(at)? as char).to_digit(16);
                let (byte, length) = match (bytes.get(at + 1), digit(at + 1), digit(at + 2)) {
                    (_, Some(high), Some(low)) => ((high * 16 + low) as u8, 3),
                    (Some(b'n'), ..) => (b'\n', 2),
                    (Some(b't'), ..) => (b'\t', 2),
                    (Some(b'r'), ..) => (b'\r', 2),
                    (Some(same @ (b'"' | b'\\')), ..) => (*same, 2),
                    _ => return Err(format!("no escape is known for {}", &text[at..])),
                };
                plain.push(byte);
                at += length;
            }
            Some(byte) => {
                plain.push(*byte);
                at += 1;
            }
        }
    }
}
