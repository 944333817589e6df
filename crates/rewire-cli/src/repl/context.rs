//! What earlier inputs said, and how much of it a new input needs: each input is a module of its
//! own, and LLVM wants to be told of every name in it.
//!
//! What a text names is looked up, and nothing else is, so that an input costs no more where much
//! is loaded.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::sync::Arc;

use rewire::{Descriptor, EntryKind, FunctionType, Library};

use super::entity::{Entity, What, entities};
use super::lexer::{TokenKind, Tokens, quote};

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Context {
    /// Types, groups of attributes, metadata and COMDATs, by name with mark.
    textual: HashMap<String, Arc<str>>,
    /// Functions as the inputs wrote them: with the calling convention and the attributes of
    /// parameters, which the ledger's types lack.
    functions: HashMap<String, Declared>,
}

/// A function's declaration, and the type that the ledger had for it then. It is used as long as
/// the function has that type.
#[derive(Debug)]
struct Declared {
    text: String,
    type_name: Arc<str>,
}

/// An input as a module of its own.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The module's text.
    pub(crate) text: String,
    /// What the input defines and declares.
    pub(crate) entities: Vec<Entity>,
    /// How many lines stand before the input's own.
    pub(crate) lines_before: usize,
    /// How many lines are the input's own.
    pub(crate) lines: usize,
    /// Functions that can't be declared, because a type that they take or return is known to a
    /// loaded file alone.
    pub(crate) undeclarable: Vec<(String, Arc<str>)>,
}

impl Prepared {
    /// The input's own part of the module.
    pub(crate) fn input(&self) -> &str {
        let mut before = self.text.match_indices('\n').map(|it| it.0 + 1);
        let start = match self.lines_before {
            0 => 0,
            lines => before.nth(lines - 1).unwrap_or(0),
        };
        &self.text[start..]
    }
}

impl Context {
    /// Makes a module of an input: what it names and doesn't say itself stands before it.
    pub(crate) fn prepare(&self, library: &Library, input: &str) -> Prepared {
        let entities = entities(input);
        let mut wanted = Wanted::default();
        for one in &entities {
            let mark = if one.what == What::Textual { "" } else { "@" };
            wanted.seen.insert(format!("{mark}{}", one.name));
        }
        wanted.add_from(input);
        let (mut textual, mut declarations) = (String::new(), String::new());
        let mut undeclarable = Vec::new();
        while let Some(key) = wanted.queue.pop() {
            let (text, list) = match key.strip_prefix('@') {
                Some(name) => {
                    let text = self.declaration(library, name, &mut undeclarable);
                    (text, &mut declarations)
                }
                None => {
                    let known = self.textual.get(&key);
                    (known.map(|text| (**text).to_owned()), &mut textual)
                }
            };
            if let Some(text) = text {
                wanted.add_from(&text);
                list.push_str(&text);
                list.push('\n');
            }
        }
        // Types come first: a function that takes one has to know its size.
        let before = textual + &declarations;
        Prepared {
            lines_before: before.matches('\n').count(),
            lines: input.lines().count(),
            text: before + &shared(input, &entities) + "\n",
            entities,
            undeclarable,
        }
    }

    /// A declaration of a name that the ledger knows.
    fn declaration(
        &self,
        library: &Library,
        name: &str,
        undeclarable: &mut Vec<(String, Arc<str>)>,
    ) -> Option<String> {
        if name.starts_with("llvm.") {
            return None;
        }
        let about = library.descriptor(linker_name(name))?;
        let type_name = about.type_name.as_ref()?;
        if let Some(known) = self.functions.get(name)
            && known.type_name == *type_name
        {
            return Some(known.text.clone());
        }
        if !is_function(&about) {
            return Some(variable(&about, name, type_name));
        }
        let mut types = Tokens::new(type_name).filter(|token| token.kind == TokenKind::Local);
        if !types.all(|token| {
            token
                .key()
                .is_some_and(|key| self.textual.contains_key(&key))
        }) {
            undeclarable.push((name.to_owned(), type_name.clone()));
            return None;
        }
        let FunctionType { result, parameters } = FunctionType::parse(type_name)?;
        let parameters = parameters.join(", ");
        Some(format!("declare {result} @{}({parameters})", quote(name)))
    }

    /// Keeps what an input said, once the engine has taken it.
    pub(crate) fn remember(&mut self, library: &Library, input: &str, entities: &[Entity]) {
        for one in entities {
            if one.what == What::Textual {
                let text: Arc<str> = input[one.range.clone()].trim().into();
                self.textual.insert(one.name.clone(), text);
            }
            if one.what != What::Function {
                continue;
            }
            let text = match one.is_definition {
                true => format!("declare {}", &input[one.head.clone()]),
                false => input[one.range.clone()].trim().to_owned(),
            };
            let Some(about) = library.descriptor(linker_name(&one.name)) else {
                continue;
            };
            // A definition knows better than a declaration.
            if let Some(type_name) = about.type_name
                && about.unit.is_some() == one.is_definition
            {
                let declared = Declared { text, type_name };
                self.functions.insert(one.name.clone(), declared);
            }
        }
    }

    /// The type of a function that nothing defines, by the last declaration; the ledger keeps the
    /// first. Only of plain types.
    pub(crate) fn declared_type(&self, name: &str) -> Option<String> {
        plain_type(&self.functions.get(name)?.text)
    }

    /// A function's declaration as an input wrote it, from behind the linkage.
    pub(crate) fn head(&self, name: &str) -> Option<&str> {
        let text = &self.functions.get(name)?.text;
        let one = entities(text).pop()?;
        text.get(one.head)
    }

    /// What a name of a type stands for, by the inputs.
    pub(crate) fn type_named(&self, key: &str) -> Option<&str> {
        body_of_type(self.textual.get(key)?)
    }

    /// Whether LLVM need not see an input yet: metadata may name what comes later.
    pub(crate) fn can_wait(entities: &[Entity]) -> bool {
        let is_metadata = |one: &Entity| one.what == What::Textual && one.name.starts_with('!');
        !entities.is_empty() && entities.iter().all(is_metadata)
    }

    /// Whether an input said this before.
    pub(crate) fn has_textual(&self, name: &str) -> bool {
        self.textual.contains_key(name)
    }
}

/// What follows `%name = type`, without a comment behind it.
pub(crate) fn body_of_type(text: &str) -> Option<&str> {
    let (_, body) = text.split_once("= type ")?;
    body.split(';').next().map(str::trim)
}

/// An input that defines one thing alone: `private` or `internal` would hide it from all others,
/// so blanks take the word's place.
fn shared<'t>(input: &'t str, entities: &[Entity]) -> Cow<'t, str> {
    let mut definitions = entities.iter().filter(|one| one.is_definition);
    match (definitions.next(), definitions.next()) {
        (
            Some(Entity {
                local: Some(word), ..
            }),
            None,
        ) => {
            let mut text = input.to_owned();
            text.replace_range(word.clone(), &" ".repeat(word.len()));
            Cow::Owned(text)
        }
        _ => Cow::Borrowed(input),
    }
}

/// Names that a module needs, each once.
#[derive(Default)]
struct Wanted {
    seen: HashSet<String>,
    queue: Vec<String>,
}

impl Wanted {
    fn add_from(&mut self, text: &str) {
        for token in Tokens::new(text) {
            let is_name = matches!(
                token.kind,
                TokenKind::Global
                    | TokenKind::Local
                    | TokenKind::Attributes
                    | TokenKind::Metadata
                    | TokenKind::Comdat
            );
            if let Some(key) = token.key().filter(|_| is_name)
                && !self.seen.contains(&key)
            {
                self.seen.insert(key.clone());
                self.queue.push(key);
            }
        }
    }
}

/// The type in a declaration, `RESULT (PARAMETERS)`, if each is one word.
fn plain_type(declaration: &str) -> Option<String> {
    let mut tokens = Tokens::new(declaration);
    let mut result = "";
    for token in tokens.by_ref() {
        match token.kind {
            TokenKind::Word => result = token.text,
            TokenKind::Global => break,
            _ => return None,
        }
    }
    let mut parameters = Vec::new();
    let mut is_first = true;
    let mut depth = 0;
    for token in tokens {
        match (token.kind, token.text) {
            (TokenKind::Open, _) => depth += 1,
            (TokenKind::Close, _) => depth -= 1,
            (_, ",") if depth == 1 => is_first = true,
            (TokenKind::Word, word) if depth == 1 && is_first => {
                parameters.push(word);
                is_first = false;
            }
            _ if depth == 1 && is_first => return None,
            _ => {}
        }
        if depth == 0 {
            return Some(format!("{result} ({})", parameters.join(", ")));
        }
    }
    None
}

/// Without LLVM's mark for "do not mangle".
pub(crate) fn linker_name(name: &str) -> &str {
    name.strip_prefix('\u{1}').unwrap_or(name)
}

/// What assembly defines is no function to the ledger; its declaration tells.
fn is_function(about: &Descriptor) -> bool {
    let is_type_of_one = about.type_name.as_ref().is_some_and(|it| it.ends_with(')'));
    about.kind == EntryKind::Function || is_type_of_one
}

fn variable(about: &Descriptor, name: &str, type_name: &str) -> String {
    let storage = match about.kind {
        EntryKind::ThreadLocal => "thread_local ",
        _ => "",
    };
    // With a type that only a loaded file knows, LLVM is told of the variable's first byte: it
    // assumes nothing about the rest then.
    let of = if type_name.contains('%') {
        "i8"
    } else {
        type_name
    };
    let mut text = String::new();
    // Writing to a string can't fail.
    let _ = write!(text, "@{} = external {storage}global {of}", quote(name));
    text
}
