//! Tokens of LLVM IR text (LangRef, "Identifiers" and "String constants"), as far as the REPL has
//! to tell them apart.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A keyword, a type, a number, a label.
    Word,
    /// `@name`, `@"a name"`.
    Global,
    /// `%name`: a type, or a value of a function.
    Local,
    /// `#0`: a group of attributes.
    Attributes,
    /// `!0`, `!name`.
    Metadata,
    /// `$name`.
    Comdat,
    /// `(`, `[` or `{`.
    Open,
    /// `)`, `]` or `}`.
    Close,
    /// A string.
    Text,
    /// A string, or a name in quotes, that doesn't end in this text.
    OpenText,
    /// Any other character.
    Other,
}

/// One token, and where it begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'t> {
    pub(crate) kind: TokenKind,
    pub(crate) text: &'t str,
    pub(crate) start: usize,
}

impl Token<'_> {
    /// Where it ends.
    pub(crate) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// The name behind the mark of a global, local, COMDAT or the like, without quotes and
    /// escapes; `None` if it is no UTF-8.
    pub(crate) fn name(&self) -> Option<String> {
        let name = self.text.get(1..)?;
        match name.strip_prefix('"').and_then(|it| it.strip_suffix('"')) {
            Some(quoted) => unescape(quoted),
            None => Some(name.to_owned()),
        }
    }

    /// The name with its mark: the same however the text quotes it.
    pub(crate) fn key(&self) -> Option<String> {
        let mark = self.text.get(..1)?;
        Some(format!("{mark}{}", self.name()?))
    }
}

/// The tokens of a text; comments are left out.
#[derive(Clone, Debug)]
pub(crate) struct Tokens<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Tokens<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start().len();
            self.at += blank;
            if !self.rest().starts_with(';') {
                return;
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }
}

impl<'t> Iterator for Tokens<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        self.skip_blank();
        let rest = self.rest();
        let first = rest.chars().next()?;
        let (kind, length) = match first {
            '"' => quoted(rest, 0, TokenKind::Text),
            '@' => named(rest, TokenKind::Global),
            '%' => named(rest, TokenKind::Local),
            '$' => named(rest, TokenKind::Comdat),
            '!' => marked(rest, TokenKind::Metadata),
            '#' => marked(rest, TokenKind::Attributes),
            '(' | '[' | '{' => (TokenKind::Open, 1),
            ')' | ']' | '}' => (TokenKind::Close, 1),
            _ if is_of_name(first) => (TokenKind::Word, name_length(rest)),
            _ => (TokenKind::Other, first.len_utf8()),
        };
        let token = Token {
            kind,
            text: &rest[..length],
            start: self.at,
        };
        self.at += length;
        Some(token)
    }
}

/// Whether names have it without quotes.
pub(crate) fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '$' | '.' | '_')
}

fn name_length(text: &str) -> usize {
    text.find(|c| !is_of_name(c)).unwrap_or(text.len())
}

fn named(rest: &str, kind: TokenKind) -> (TokenKind, usize) {
    if rest[1..].starts_with('"') {
        quoted(rest, 1, kind)
    } else {
        marked(rest, kind)
    }
}

fn marked(rest: &str, kind: TokenKind) -> (TokenKind, usize) {
    match name_length(&rest[1..]) {
        0 => (TokenKind::Other, 1),
        length => (kind, 1 + length),
    }
}

/// A string whose first quote is at `from`. A quote in it is written `\22`.
fn quoted(rest: &str, from: usize, kind: TokenKind) -> (TokenKind, usize) {
    match rest[from + 1..].find('"') {
        Some(length) => (kind, from + length + 2),
        None => (TokenKind::OpenText, rest.len()),
    }
}

/// Replaces `\xx` by the byte with these digits, and `\\` by a backslash.
fn unescape(quoted: &str) -> Option<String> {
    let bytes = quoted.as_bytes();
    let digit = |at: usize| (*bytes.get(at)? as char).to_digit(16);
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = digit(at + 1).zip(digit(at + 2));
        match (byte, escaped) {
            (b'\\', Some((high, low))) => {
                plain.push((high * 16 + low) as u8);
                at += 3;
            }
            (b'\\', None) if bytes.get(at + 1) == Some(&b'\\') => {
                plain.push(b'\\');
                at += 2;
            }
            (byte, _) => {
                plain.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(plain).ok()
}

/// A name as IR writes it behind its mark: in quotes if it needs them.
pub(crate) fn quote(name: &str) -> String {
    let starts_plainly = name.starts_with(|c: char| is_of_name(c) && !c.is_ascii_digit());
    if starts_plainly && name.chars().all(is_of_name) {
        return name.to_owned();
    }
    let mut text = String::from("\"");
    for byte in name.bytes() {
        match byte {
            b'"' | b'\\' | ..b' ' | 0x7f.. => text.push_str(&format!("\\{byte:02X}")),
            plain => text.push(plain as char),
        }
    }
    text.push('"');
    text
}
