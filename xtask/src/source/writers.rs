//! Who writes entries of the ledger, and who stores to slots.

use std::collections::BTreeSet;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::references::spelled;
use super::tokens::{self, Body, Found};
use super::tree::{Crate, attributes, is_for_tests};

/// The room that may write.
const LEDGER: &str = "ledger/";

/// What was found, each as `path:line uses what`.
#[derive(Default)]
pub(super) struct Writers {
    /// Outside the ledger: calls that give a `&mut Entry`, and such types.
    pub(super) entries: Vec<String>,
    /// Outside the ledger: calls of the slots' transitions.
    pub(super) stores: Vec<String>,
    /// All functions that call one, as `path: function`.
    pub(super) storing: BTreeSet<String>,
}

/// Finds them in the engine's crate. `transitions` are the methods of slots that store to one.
pub(super) fn writers(krate: &Crate, transitions: &[String]) -> Writers {
    let mut giving = Giving::default();
    for file in &krate.files {
        giving.visit_file(&file.syntax);
    }
    let mut finder = Finder {
        giving: giving.names,
        transitions,
        path: "",
        function: Vec::new(),
        found: Writers::default(),
    };
    for file in &krate.files {
        finder.path = &file.path;
        finder.visit_file(&file.syntax);
    }
    finder.found
}

/// The methods of a type, by name, wherever they are defined in a crate.
pub(super) fn methods_of(krate: &Crate, name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let items = krate.files.iter().flat_map(|file| &file.syntax.items);
    for item in items {
        let syn::Item::Impl(item) = item else {
            continue;
        };
        if is_type(&item.self_ty, name) {
            found.extend(item.items.iter().filter_map(|item| match item {
                syn::ImplItem::Fn(method) => Some(method.sig.ident.to_string()),
                _ => None,
            }));
        }
    }
    found
}

fn is_type(written: &syn::Type, name: &str) -> bool {
    matches!(written, syn::Type::Path(path)
        if path.path.segments.last().is_some_and(|last| last.ident == name))
}

fn is_mutable_entry(reference: &syn::TypeReference) -> bool {
    reference.mutability.is_some() && is_type(&reference.elem, "Entry")
}

/// The names of methods that return a `&mut Entry`, alone or within another type.
#[derive(Default)]
struct Giving {
    names: BTreeSet<String>,
}

impl<'ast> Visit<'ast> for Giving {
    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        let mut types = MutableEntries(0);
        types.visit_return_type(&signature.output);
        if types.0 > 0 {
            self.names.insert(signature.ident.to_string());
        }
    }
}

struct MutableEntries(usize);

impl<'ast> Visit<'ast> for MutableEntries {
    fn visit_type_reference(&mut self, reference: &'ast syn::TypeReference) {
        self.0 += usize::from(is_mutable_entry(reference));
        visit::visit_type_reference(self, reference);
    }
}

struct Finder<'a> {
    giving: BTreeSet<String>,
    transitions: &'a [String],
    path: &'a str,
    function: Vec<String>,
    found: Writers,
}

impl Finder<'_> {
    fn is_outside(&self) -> bool {
        !self.path.starts_with(LEDGER)
    }

    fn call(&mut self, receiver: Option<&str>, name: &str, line: usize) {
        let path = self.path;
        if self.is_outside() && self.giving.contains(name) {
            self.found
                .entries
                .push(format!("{path}:{line} uses `{name}`"));
        }
        let stores = receiver == Some("slots") && self.transitions.iter().any(|it| it == name);
        if stores {
            if let Some(function) = self.function.last() {
                self.found.storing.insert(format!("{path}: `{function}`"));
            }
            if self.is_outside() {
                self.found
                    .stores
                    .push(format!("{path}:{line} uses `slots.{name}`"));
            }
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function.push(item.sig.ident.to_string());
        visit::visit_item_fn(self, item);
        self.function.pop();
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function.push(item.sig.ident.to_string());
        visit::visit_impl_item_fn(self, item);
        self.function.pop();
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let line = call.method.span().start().line;
        let name = call.method.to_string();
        self.call(spelled(&call.receiver).as_deref(), &name, line);
        visit::visit_expr_method_call(self, call);
    }

    fn visit_type_reference(&mut self, reference: &'ast syn::TypeReference) {
        if self.is_outside() && is_mutable_entry(reference) {
            let (path, line) = (self.path, reference.span().start().line);
            self.found
                .entries
                .push(format!("{path}:{line} uses `&mut Entry`"));
        }
        visit::visit_type_reference(self, reference);
    }

    fn visit_macro(&mut self, used: &'ast syn::Macro) {
        match tokens::body(used) {
            Body::Expressions(values) => {
                for value in &values {
                    self.visit_expr(value);
                }
            }
            Body::Match(parts) => self.visit_expr(&parts.0),
            Body::Tokens(tokens) => {
                for found in tokens::scan(tokens) {
                    if let Found::Call {
                        receiver,
                        name,
                        line,
                    } = found
                    {
                        self.call(receiver.as_deref(), &name, line);
                    }
                }
            }
        }
    }
}
