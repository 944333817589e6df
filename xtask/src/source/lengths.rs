//! Comments past the margin, long files, long functions.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::error::{Error, Result};

/// The last column of a comment: rustfmt's `max_width`, which holds for code.
const MARGIN: usize = 100;
/// The lines of a file.
const FILE: usize = 800;
/// The lines of a function, from `fn` to its last brace.
const FUNCTION: usize = 100;

/// What is too long, each as `path:line: what`.
#[derive(Default)]
pub(super) struct Lengths {
    pub(super) comments: Vec<String>,
    pub(super) files: Vec<String>,
    pub(super) functions: Vec<String>,
}

impl Lengths {
    /// Looks at a file of Rust.
    pub(super) fn rust(&mut self, path: &str, text: &str) -> Result<()> {
        self.file(path, text);
        let syntax = syn::parse_file(text).map_err(|error| {
            let line = error.span().start().line;
            Error::new(format!("{path}:{line}: {error}"))
        })?;
        let mut functions = Functions {
            path,
            found: &mut self.functions,
        };
        functions.visit_file(&syntax);
        // A line within a literal may look like a comment.
        let mut literals = BTreeSet::new();
        if text
            .lines()
            .any(|line| is_long(line) && line.contains("//"))
        {
            let tokens: TokenStream = text.parse().map_err(|error| {
                Error::new(format!("{path}: its tokens can't be read: {error}"))
            })?;
            lines_of_literals(tokens, &mut literals);
        }
        self.comments(path, text, &literals);
        Ok(())
    }

    /// Looks at a file of C++.
    pub(super) fn cxx(&mut self, path: &str, text: &str) {
        self.file(path, text);
        self.comments(path, text, &BTreeSet::new());
    }

    fn file(&mut self, path: &str, text: &str) {
        let lines = text.lines().count();
        if lines > FILE {
            self.files.push(format!("{path}: {lines} lines"));
        }
    }

    fn comments(&mut self, path: &str, text: &str, literals: &BTreeSet<usize>) {
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            if is_long(line) && !literals.contains(&number) && has_breakable_comment(line) {
                let columns = line.chars().count();
                self.comments
                    .push(format!("{path}:{number}: a comment of {columns} columns"));
            }
        }
    }
}

fn is_long(line: &str) -> bool {
    line.chars().count() > MARGIN
}

/// Whether a line is or ends with a comment that can be broken: of more than one word, and no row
/// of a table.
fn has_breakable_comment(line: &str) -> bool {
    let line = line.trim();
    let comment = if line.starts_with("//") || line.starts_with("/*") || line.starts_with("* ") {
        line
    } else {
        match line.rsplit_once(" // ") {
            // A quote after it is a literal's end.
            Some((_, comment)) if !comment.contains('"') => comment,
            _ => return false,
        }
    };
    let text = comment.trim_start_matches(['/', '*', '!']).trim();
    !text.starts_with('|') && text.contains(' ')
}

/// The lines that literals of several lines go on in.
fn lines_of_literals(tokens: TokenStream, lines: &mut BTreeSet<usize>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => lines_of_literals(group.stream(), lines),
            TokenTree::Literal(literal) => {
                let span = literal.span();
                lines.extend(span.start().line + 1..=span.end().line);
            }
            _ => {}
        }
    }
}

struct Functions<'a> {
    path: &'a str,
    found: &'a mut Vec<String>,
}

impl Functions<'_> {
    fn look_at(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let start = signature.span().start().line;
        let lines = body.span().end().line + 1 - start;
        if lines > FUNCTION {
            let (path, name) = (self.path, &signature.ident);
            self.found
                .push(format!("{path}:{start}: `{name}` has {lines} lines"));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.look_at(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.look_at(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.look_at(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }
}
