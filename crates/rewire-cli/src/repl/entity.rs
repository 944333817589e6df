//! What an input defines and declares: the entities of a module's text.

use std::ops::Range;

use super::balance::{Balance, Place};
use super::lexer::{Token, TokenKind, Tokens};

/// What an entity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A function.
    Function,
    /// A variable, an alias, an indirect function.
    Variable,
    /// A type, a group of attributes, metadata, a COMDAT: what only text knows.
    Textual,
}

/// One definition or declaration.
#[derive(Clone, Debug)]
pub(crate) struct Entity {
    pub(crate) what: What,
    pub(crate) is_definition: bool,
    /// The name; of textual ones with its mark: `%point`.
    pub(crate) name: String,
    /// Where it stands in the text.
    pub(crate) range: Range<usize>,
    /// Of a function's definition: from behind the linkage to the end of the parameters, which is
    /// what a declaration needs.
    pub(crate) head: Range<usize>,
    /// The word that makes it a name of its module alone, `private` or `internal`.
    pub(crate) local: Option<Range<usize>>,
}

/// Words between `define` and the calling convention (LangRef, "Functions").
const LINKAGE: &[&str] = &[
    "private",
    "internal",
    "available_externally",
    "linkonce",
    "weak",
    "common",
    "appending",
    "extern_weak",
    "linkonce_odr",
    "weak_odr",
    "external",
    "dso_local",
    "dso_preemptable",
    "default",
    "hidden",
    "protected",
    "dllimport",
    "dllexport",
];

/// The entities of a text, in order. What isn't understood is left out: LLVM will say what is
/// wrong.
pub(crate) fn entities(text: &str) -> Vec<Entity> {
    let mut found = Finder::default();
    let mut balance = Balance::default();
    for token in Tokens::new(text) {
        if balance.is_top() && balance.place() != Place::Body {
            found.see(&token, balance.place());
        }
        let before = balance.place();
        balance.take(&token);
        if before == Place::Named && balance.place() == Place::Listed {
            found.end_head(token.end());
        }
    }
    found.end(text.len());
    found.entities
}

#[derive(Default)]
struct Finder<'t> {
    entities: Vec<Entity>,
    previous: Option<Token<'t>>,
    before_previous: Option<Token<'t>>,
    /// A function whose name hasn't come yet.
    unnamed: Option<Entity>,
    /// The words that came since then may be linkage.
    in_linkage: bool,
    /// The words that came since `@name =` may be linkage.
    in_variable: bool,
}

impl<'t> Finder<'t> {
    fn see(&mut self, token: &Token<'t>, place: Place) {
        match (token.kind, token.text) {
            (TokenKind::Word, "define" | "declare") if place == Place::Outside => {
                self.begin_function(token);
            }
            (TokenKind::Word, "target" | "source_filename" | "module" | "uselistorder") => {
                self.end(token.start);
            }
            (TokenKind::Word, _) => self.see_word(token),
            (TokenKind::Global, _) if self.unnamed.is_some() => self.name_function(token),
            (TokenKind::Other, "=") if place == Place::Outside => self.begin_named(),
            _ => self.end_linkage(token.start),
        }
        self.before_previous = self.previous.replace(*token);
    }

    fn see_word(&mut self, token: &Token<'t>) {
        if !LINKAGE.contains(&token.text) {
            self.end_linkage(token.start);
        }
        let described = match (self.in_linkage, self.in_variable) {
            (true, _) => self.unnamed.as_mut(),
            (_, true) => self.entities.last_mut(),
            _ => None,
        };
        let Some(entity) = described else { return };
        match token.text {
            "private" | "internal" => entity.local = Some(token.start..token.end()),
            "external" | "extern_weak" if self.in_variable => entity.is_definition = false,
            "global" | "constant" | "alias" | "ifunc" => self.in_variable = false,
            _ => {}
        }
    }

    fn end_linkage(&mut self, start: usize) {
        if std::mem::take(&mut self.in_linkage)
            && let Some(function) = &mut self.unnamed
        {
            function.head.start = start;
        }
    }

    fn begin_function(&mut self, token: &Token<'t>) {
        self.end(token.start);
        self.in_linkage = true;
        self.unnamed = Some(Entity {
            what: What::Function,
            is_definition: token.text == "define",
            name: String::new(),
            range: token.start..token.start,
            head: token.end()..token.end(),
            local: None,
        });
    }

    fn name_function(&mut self, token: &Token<'t>) {
        self.in_linkage = false;
        if let (Some(mut function), Some(name)) = (self.unnamed.take(), token.name()) {
            function.name = name;
            self.entities.push(function);
        }
    }

    fn end_head(&mut self, end: usize) {
        if let Some(function) = self.entities.last_mut() {
            function.head.end = end;
        }
    }

    /// Something with an equals sign behind its name.
    fn begin_named(&mut self) {
        let Some(named) = self.previous else { return };
        let (what, name) = match named.kind {
            TokenKind::Global => (What::Variable, named.name()),
            TokenKind::Local | TokenKind::Attributes | TokenKind::Metadata | TokenKind::Comdat => {
                (What::Textual, named.key())
            }
            _ => return,
        };
        let Some(name) = name else { return };
        let keyword = self.before_previous.filter(|it| it.text == "attributes");
        let start = match (named.kind, keyword) {
            (TokenKind::Attributes, Some(keyword)) => keyword.start,
            _ => named.start,
        };
        self.end(start);
        self.in_variable = what == What::Variable;
        self.entities.push(Entity {
            what,
            is_definition: true,
            name,
            range: start..start,
            head: start..start,
            local: None,
        });
    }

    /// Ends the last entity here, unless it has ended.
    fn end(&mut self, at: usize) {
        self.in_variable = false;
        self.unnamed = None;
        if let Some(last) = self.entities.last_mut()
            && last.range.is_empty()
        {
            last.range.end = at;
        }
    }
}
