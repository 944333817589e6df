//! Types of values as IR writes them, and the numbers that they are made of.

use super::numbers::Format;

/// A type of first class (LangRef, "First Class Types"), as far as values of it can be typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Integer(u32),
    Float(Format),
    Pointer,
    Array(usize, Box<Self>),
    Vector(usize, Box<Self>),
    Struct { is_packed: bool, fields: Vec<Self> },
}

/// How deep types may be, one in the other.
const DEEPEST: usize = 32;
/// How many numbers a value may have.
const MOST: usize = 4096;

impl Type {
    /// Reads the type that a text begins with, and says what follows; `named` knows what `%name`
    /// stands for.
    pub(super) fn read<'t>(
        text: &'t str,
        named: &dyn Fn(&str) -> Option<String>,
    ) -> Option<(Self, &'t str)> {
        let (found, rest) = Self::read_within(text, named, 0)?;
        (found.leaves() <= MOST).then_some((found, rest))
    }

    fn read_within<'t>(
        text: &'t str,
        named: &dyn Fn(&str) -> Option<String>,
        depth: usize,
    ) -> Option<(Self, &'t str)> {
        if depth > DEEPEST {
            return None;
        }
        let text = text.trim_start();
        let inner = |text: &'t str| Self::read_within(text, named, depth + 1);
        if let Some(rest) = text.strip_prefix("<{") {
            let (fields, rest) = fields(rest, &inner)?;
            let rest = rest.trim_start().strip_prefix('>')?;
            return Some((Self::of_struct(true, fields), rest));
        }
        if let Some(rest) = text.strip_prefix('{') {
            let (fields, rest) = fields(rest, &inner)?;
            return Some((Self::of_struct(false, fields), rest));
        }
        let counted = [('[', ']'), ('<', '>')];
        if let Some((open, close)) = counted.into_iter().find(|it| text.starts_with(it.0)) {
            let (count, rest) = text[1..].split_once(" x ")?;
            let (of, rest) = inner(rest)?;
            let rest = rest.trim_start().strip_prefix(close)?;
            let (count, of) = (count.trim().parse().ok()?, Box::new(of));
            return Some(match open {
                '[' => (Self::Array(count, of), rest),
                _ => (Self::Vector(count, of), rest),
            });
        }
        let end = if let Some(quoted) = text.strip_prefix("%\"") {
            quoted.find('"')? + 3
        } else {
            let is_part = |c: char| c.is_ascii_alphanumeric() || "%$._-".contains(c);
            text.find(|c| !is_part(c)).unwrap_or(text.len())
        };
        let (word, rest) = text.split_at(end);
        if word.starts_with('%') {
            let body = named(word)?;
            let (found, after) = Self::read_within(&body, named, depth + 1)?;
            return after.trim().is_empty().then_some((found, rest));
        }
        if word == "ptr" {
            return match rest.trim_start().strip_prefix("addrspace(") {
                None => Some((Self::Pointer, rest)),
                Some(_) => None,
            };
        }
        let bits = word.strip_prefix('i').and_then(|bits| bits.parse().ok());
        let found = match bits {
            Some(bits @ 1..=4096) => Self::Integer(bits),
            Some(_) => return None,
            None => Self::Float(Format::named(word)?),
        };
        Some((found, rest))
    }

    fn of_struct(is_packed: bool, fields: Vec<Self>) -> Self {
        Self::Struct { is_packed, fields }
    }

    /// As IR writes it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Integer(bits) => format!("i{bits}"),
            Self::Float(format) => format.name.to_owned(),
            Self::Pointer => "ptr".to_owned(),
            Self::Array(count, of) => format!("[{count} x {}]", of.text()),
            Self::Vector(count, of) => format!("<{count} x {}>", of.text()),
            Self::Struct { is_packed, fields } => {
                let fields: Vec<String> = fields.iter().map(Self::text).collect();
                let fields = fields.join(", ");
                match is_packed {
                    true => format!("<{{ {fields} }}>"),
                    false => format!("{{ {fields} }}"),
                }
            }
        }
    }

    /// How many numbers and pointers a value has.
    pub(super) fn leaves(&self) -> usize {
        match self {
            Self::Integer(_) | Self::Float(_) | Self::Pointer => 1,
            Self::Array(count, of) | Self::Vector(count, of) => count.saturating_mul(of.leaves()),
            Self::Struct { fields, .. } => {
                let leaves = fields.iter().map(Self::leaves);
                leaves.fold(0, usize::saturating_add)
            }
        }
    }

    /// The types of a value's parts, and the brackets around them; `None` of what has no parts.
    pub(super) fn parts(&self) -> Option<(Vec<&Self>, &'static str, &'static str)> {
        match self {
            Self::Integer(_) | Self::Float(_) | Self::Pointer => None,
            Self::Array(count, of) => Some((vec![&**of; *count], "[", "]")),
            Self::Vector(count, of) => Some((vec![&**of; *count], "<", ">")),
            Self::Struct { is_packed, fields } => {
                let fields = fields.iter().collect();
                Some(match is_packed {
                    true => (fields, "<{", "}>"),
                    false => (fields, "{", "}"),
                })
            }
        }
    }

    /// How many words of 64 bits the bits of a number take.
    pub(super) fn words(&self) -> usize {
        match self {
            Self::Integer(bits) => bits.div_ceil(64) as usize,
            Self::Float(format) => format.bits.div_ceil(64) as usize,
            _ => 1,
        }
    }
}

/// A struct's fields, and what follows the brace behind them.
fn fields<'t>(
    mut rest: &'t str,
    inner: &dyn Fn(&'t str) -> Option<(Type, &'t str)>,
) -> Option<(Vec<Type>, &'t str)> {
    let mut fields = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            return Some((fields, after));
        }
        let (field, after) = inner(rest)?;
        fields.push(field);
        let after = after.trim_start();
        rest = after.strip_prefix(',').unwrap_or(after);
    }
}

/// The parts of a list that commas divide, without those within brackets and quotes.
pub(super) fn list(text: &str) -> Vec<&str> {
    let (mut depth, mut is_quoted, mut start) = (0usize, false, 0);
    let mut parts = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            '"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' | '>' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    let last = text[start..].trim();
    parts.extend((!last.is_empty() || !parts.is_empty()).then_some(last));
    parts
}
