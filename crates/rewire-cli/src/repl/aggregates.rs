//! Calls with arguments and results of any type: a bridge takes them apart into numbers.
//!
//! Each number has words of 64 bits of its own, in the order in which the value is written, so that
//! only LLVM has to know where types have their parts.

use std::fmt::Write;

use super::numbers::show_integer;
use super::types::{Type, list};

/// A function's type and how it is called, as its definition or declaration writes it.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    /// What stands before the result: its attributes, and the calling convention.
    before: String,
    /// `None` for `void`.
    pub(super) result: Option<Type>,
    /// Types, and attributes.
    parameters: Vec<(Type, String)>,
}

impl Signature {
    /// Reads what stands between `define` or `declare` with their linkage and the end of the
    /// parameters.
    pub(super) fn read(head: &str, named: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let (before, rest) = head.split_once('@')?;
        let open = match rest.strip_prefix('"') {
            Some(quoted) => quoted.find('"')? + 2,
            None => rest.find('(')?,
        };
        let parameters = rest[open..].trim().strip_prefix('(')?.strip_suffix(')')?;
        let parameters = list(parameters).into_iter().map(|one| {
            let (found, attributes) = Type::read(one, named)?;
            let attributes = attributes.trim();
            let name = attributes.rfind('%').filter(|at| {
                let before = attributes[..*at].matches('(').count();
                before == attributes[..*at].matches(')').count()
            });
            let attributes = name.map_or(attributes, |at| attributes[..at].trim());
            Some((found, attributes.to_owned()))
        });
        let (result, start) = result(before.trim(), named)?;
        Some(Self {
            result,
            before: before.trim()[..start].to_owned(),
            parameters: parameters.collect::<Option<_>>()?,
        })
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = &Type> {
        self.parameters.iter().map(|it| &it.0)
    }

    /// The body of a bridge that calls `target`, with `first` as its first parameters.
    pub(super) fn bridge(&self, first: &str, target: &str) -> String {
        let mut body = Body::default();
        let arguments = self.parameters.iter().map(|(of, attributes)| {
            let value = body.load(of);
            format!("{} {attributes} {value}", of.text())
        });
        let arguments = arguments.collect::<Vec<_>>().join(", ");
        let result = self.result.as_ref();
        let result = result.map_or_else(|| "void".to_owned(), Type::text);
        let call = format!("call {}{result} {target}({arguments})", self.before);
        match &self.result {
            None => body.line(&call),
            Some(of) => {
                let value = body.value(&call);
                body.words = 0;
                body.store(of, &value);
            }
        }
        format!(
            "({first}ptr %in, ptr %out) {{\n{}  ret void\n}}",
            body.lines
        )
    }
}

/// The type that a result has, `None` for `void`, and where it begins: attributes and a calling
/// convention stand before.
fn result(text: &str, named: &dyn Fn(&str) -> Option<String>) -> Option<(Option<Type>, usize)> {
    if let Some(before) = text.strip_suffix("void") {
        return Some((None, before.len()));
    }
    let starts = text.char_indices().map(|(at, _)| at);
    let mut starts = starts.filter(|at| *at == 0 || text[..*at].ends_with(' '));
    starts.find_map(|at| {
        let (found, rest) = Type::read(&text[at..], named)?;
        rest.trim().is_empty().then_some((Some(found), at))
    })
}

/// The instructions of a bridge.
#[derive(Default)]
struct Body {
    lines: String,
    /// How many values have names.
    values: usize,
    /// How many words were loaded or stored.
    words: usize,
}

impl Body {
    fn line(&mut self, text: &str) {
        // Writing to a string can't fail.
        let _ = writeln!(self.lines, "  {text}");
    }

    /// A value that an instruction makes.
    fn value(&mut self, instruction: &str) -> String {
        self.values += 1;
        let name = format!("%v{}", self.values);
        self.line(&format!("{name} = {instruction}"));
        name
    }

    /// The place of the next number.
    fn place(&mut self, base: &str, of: &Type) -> String {
        let at = self.words;
        self.words += of.words();
        self.value(&format!("getelementptr i64, ptr {base}, i64 {at}"))
    }

    fn load(&mut self, of: &Type) -> String {
        let text = of.text();
        if let Some((parts, ..)) = of.parts() {
            let mut whole = "poison".to_owned();
            for (at, part) in parts.into_iter().enumerate() {
                let value = self.load(part);
                let part = part.text();
                whole = match of {
                    Type::Vector(..) => self.value(&format!(
                        "insertelement {text} {whole}, {part} {value}, i32 {at}"
                    )),
                    _ => self.value(&format!("insertvalue {text} {whole}, {part} {value}, {at}")),
                };
            }
            return whole;
        }
        let place = self.place("%in", of);
        let Some(bits) = bits(of) else {
            return self.value(&format!("load ptr, ptr {place}"));
        };
        let whole = 64 * of.words() as u32;
        let mut value = self.value(&format!("load i{whole}, ptr {place}, align 8"));
        if bits < whole {
            value = self.value(&format!("trunc i{whole} {value} to i{bits}"));
        }
        match of {
            Type::Float(_) => self.value(&format!("bitcast i{bits} {value} to {text}")),
            _ => value,
        }
    }

    fn store(&mut self, of: &Type, value: &str) {
        let text = of.text();
        if let Some((parts, ..)) = of.parts() {
            for (at, part) in parts.into_iter().enumerate() {
                let value = match of {
                    Type::Vector(..) => {
                        self.value(&format!("extractelement {text} {value}, i32 {at}"))
                    }
                    _ => self.value(&format!("extractvalue {text} {value}, {at}")),
                };
                self.store(part, &value);
            }
            return;
        }
        let place = self.place("%out", of);
        let Some(bits) = bits(of) else {
            return self.line(&format!("store ptr {value}, ptr {place}"));
        };
        let mut value = value.to_owned();
        if let Type::Float(_) = of {
            value = self.value(&format!("bitcast {text} {value} to i{bits}"));
        }
        let whole = 64 * of.words() as u32;
        if bits < whole {
            value = self.value(&format!("zext i{bits} {value} to i{whole}"));
        }
        self.line(&format!("store i{whole} {value}, ptr {place}, align 8"));
    }
}

/// How many bits a number has; `None` for a pointer.
fn bits(of: &Type) -> Option<u32> {
    match of {
        Type::Integer(bits) => Some(*bits),
        Type::Float(format) => Some(format.bits),
        _ => None,
    }
}

/// How many words a value's numbers take.
pub(super) fn words(of: &Type) -> usize {
    match of.parts() {
        Some((parts, ..)) => parts.into_iter().map(words).sum(),
        None => of.words(),
    }
}

/// A value as the user reads it, from its numbers; those that are left follow.
pub(super) fn show<'w>(of: &Type, words: &'w [u64]) -> (String, &'w [u64]) {
    if let Some((parts, open, close)) = of.parts() {
        let mut rest = words;
        let mut shown = Vec::new();
        for part in parts {
            let (text, after) = show(part, rest);
            shown.push(text);
            rest = after;
        }
        return (format!("{open}{}{close}", shown.join(", ")), rest);
    }
    let (own, rest) = words.split_at(of.words());
    let high = own.get(1).copied().unwrap_or(0);
    let text = match of {
        Type::Integer(bits) => show_integer(own, *bits),
        Type::Float(format) => format.show(u128::from(high) << 64 | u128::from(own[0])),
        _ => format!("{:#x}", own[0]),
    };
    (text, rest)
}
