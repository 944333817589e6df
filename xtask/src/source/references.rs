//! Which file refers to an item that another file defines, and where.
//!
//! A path counts for the file that defines what it names in the end, however it is re-exported;
//! the re-export itself counts for nothing. A method call counts where the method's type is spread
//! over files ([`super::methods`]):
//!
//! 1. If the receiver's type can be told (from `self`, annotations, fields, statics, what functions
//!    return, patterns, `Deref`), it counts for the file that defines that type's method.
//! 2. Otherwise, if the name is one spread type's alone, it counts for that method's file: no
//!    other type or trait of the crate and no common type of the standard library may have it.
//! 3. Otherwise, if the receiver is spelled as a spread type in lower case (`core`, `ledger`), it
//!    counts as of that type.

use std::collections::HashMap;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::methods::{MethodPlace, Methods, about, segments};
use super::tokens::{self, Body};
use super::tree::{Crate, DefinitionId, FileId, Import, ModuleId};
use super::tree::{attributes, imports, is_for_tests, named};

/// A place in one file that refers to an item of another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reference {
    pub(super) from: FileId,
    pub(super) to: FileId,
    pub(super) line: usize,
    /// `item`, or `Type::method`.
    pub(super) item: String,
}

/// All references from one file of a crate to another.
pub(super) fn references(krate: &Crate) -> Vec<Reference> {
    let methods = Methods::of(krate);
    let mut found = Vec::new();
    for (id, file) in krate.files.iter().enumerate() {
        let mut reader = Reader {
            krate,
            methods: &methods,
            file: id,
            module: file.module,
            this: None,
            scopes: Vec::new(),
            variables: Vec::new(),
            found: &mut found,
        };
        for import in &krate.modules[file.module].imports {
            reader.import(import);
        }
        reader.visit_file(&file.syntax);
    }
    found.sort();
    found.dedup();
    found
}

struct Reader<'a> {
    krate: &'a Crate,
    methods: &'a Methods,
    file: FileId,
    module: ModuleId,
    /// What `Self` stands for.
    this: Option<DefinitionId>,
    /// What the blocks around the place bring in and define, innermost last.
    scopes: Vec<Scope>,
    /// The variables whose types are known, innermost last.
    variables: Vec<HashMap<String, Option<DefinitionId>>>,
    found: &'a mut Vec<Reference>,
}

#[derive(Default)]
struct Scope {
    imports: Vec<Import>,
    items: Vec<String>,
}

impl Reader<'_> {
    fn add(&mut self, to: FileId, line: usize, item: String) {
        if to != self.file {
            self.found.push(Reference {
                from: self.file,
                to,
                line,
                item,
            });
        }
    }

    /// A `use`: what it brings in is referred to, unless it only passes it on.
    fn import(&mut self, import: &Import) {
        if import.is_reexport {
            return;
        }
        for item in self.krate.imported(self.module, import) {
            let definition = &self.krate.definitions[item];
            self.add(definition.file, import.line, definition.name.clone());
        }
    }

    /// A path as the blocks around it have it: past their imports. Nothing if one of them defines
    /// the name itself.
    fn unscoped(&self, path: &[String]) -> Option<Vec<String>> {
        let first = path.first()?;
        for scope in self.scopes.iter().rev() {
            if scope.items.contains(first) {
                return None;
            }
            let mut imports = scope.imports.iter();
            if let Some(import) = imports.find(|it| it.name.as_ref() == Some(first)) {
                let mut whole = import.path.clone();
                whole.extend_from_slice(&path[1..]);
                return Some(whole);
            }
        }
        Some(path.to_vec())
    }

    pub(super) fn path(&mut self, path: &[String], line: usize) {
        if path.first().is_some_and(|first| first == "Self") {
            if let (Some(this), Some(name)) = (self.this, path.get(1)) {
                self.method_of(this, name, line);
            }
            return;
        }
        let Some(path) = self.unscoped(path) else {
            return;
        };
        for resolved in self.krate.resolve(self.module, &path) {
            let definition = &self.krate.definitions[resolved.item];
            self.add(definition.file, line, definition.name.clone());
            if let Some(name) = resolved.associated {
                self.method_of(resolved.item, &name, line);
            }
        }
    }

    /// A method of a type that is known. Returns whether the type has it.
    fn method_of(&mut self, of: DefinitionId, name: &str, line: usize) -> bool {
        let Some(places) = self.methods.places(self.krate, of, name) else {
            return false;
        };
        for place in places {
            self.method_at(&place, name, line);
        }
        true
    }

    fn method_at(&mut self, place: &MethodPlace, name: &str, line: usize) {
        let of = &self.krate.definitions[place.of].name;
        self.add(place.file, line, format!("{of}::{name}"));
    }

    /// A method call; the module's documentation has the rule. `spelled` is the last name of the
    /// receiver's expression.
    fn call(&mut self, of: Option<DefinitionId>, spelled: Option<&str>, name: &str, line: usize) {
        if of.is_some_and(|of| self.method_of(of, name, line)) {
            return;
        }
        if let Some(place) = self.methods.only_place(self.krate, name) {
            self.method_at(&place, name, line);
            return;
        }
        if of.is_none()
            && let Some(of) = spelled.and_then(|it| self.methods.by_convention(self.krate, it))
        {
            self.method_of(of, name, line);
        }
    }

    fn variable(&self, name: &str) -> Option<DefinitionId> {
        if name == "self" {
            return self.this;
        }
        let mut scopes = self.variables.iter().rev();
        scopes.find_map(|scope| scope.get(name).copied()).flatten()
    }

    /// The type of the crate that an expression's value is about, if that can be told.
    fn type_of(&self, value: &syn::Expr) -> Option<DefinitionId> {
        match value {
            syn::Expr::Path(path) if path.qself.is_none() => {
                let name = path.path.get_ident().map(ToString::to_string);
                let variable = name.and_then(|name| self.variable(&name));
                variable.or_else(|| {
                    let path = self.unscoped(&segments(&path.path))?;
                    let found = self.krate.resolve(self.module, &path).pop()?;
                    self.methods.value_of(found.item)
                })
            }
            syn::Expr::Field(field) => {
                let name = match &field.member {
                    syn::Member::Named(name) => name.to_string(),
                    syn::Member::Unnamed(index) => index.index.to_string(),
                };
                self.methods.field(self.type_of(&field.base)?, &name)
            }
            syn::Expr::MethodCall(call) => {
                let name = call.method.to_string();
                self.methods.returned(self.type_of(&call.receiver)?, &name)
            }
            syn::Expr::Call(call) => self.type_of_call(call),
            syn::Expr::Struct(made) => {
                if made.path.is_ident("Self") {
                    return self.this;
                }
                let path = self.unscoped(&segments(&made.path))?;
                let found = self.krate.resolve(self.module, &path).pop()?;
                found.associated.is_none().then_some(found.item)
            }
            syn::Expr::Reference(inner) => self.type_of(&inner.expr),
            syn::Expr::Paren(inner) => self.type_of(&inner.expr),
            syn::Expr::Group(inner) => self.type_of(&inner.expr),
            syn::Expr::Try(inner) => self.type_of(&inner.expr),
            syn::Expr::Unary(inner) => self.type_of(&inner.expr),
            syn::Expr::Index(inner) => self.type_of(&inner.expr),
            _ => None,
        }
    }

    fn type_of_call(&self, call: &syn::ExprCall) -> Option<DefinitionId> {
        let syn::Expr::Path(function) = &*call.func else {
            return None;
        };
        let path = segments(&function.path);
        // `lock(&self.ledger)` returns what it locks; `Some(x)` and `Arc::new(x)` are about `x`.
        let last = path.last()?;
        if ["lock", "Some", "Ok"].contains(&last.as_str()) || path.first()? == "Arc" {
            return call.args.first().and_then(|value| self.type_of(value));
        }
        if let [first, name] = &path[..]
            && first == "Self"
        {
            return self.methods.returned(self.this?, name);
        }
        let found = self
            .krate
            .resolve(self.module, &self.unscoped(&path)?)
            .pop()?;
        match found.associated {
            Some(name) => self.methods.returned(found.item, &name),
            None => self.methods.value_of(found.item),
        }
    }

    /// Notes the variables of a pattern. One that stands for the whole value, or for what `Some`
    /// or `Ok` contain, has the value's type.
    fn bind(&mut self, pattern: &syn::Pat, of: Option<DefinitionId>) {
        match pattern {
            syn::Pat::Ident(variable) => {
                if let Some(scope) = self.variables.last_mut() {
                    scope.insert(variable.ident.to_string(), of);
                }
            }
            syn::Pat::Reference(inner) => self.bind(&inner.pat, of),
            syn::Pat::Paren(inner) => self.bind(&inner.pat, of),
            syn::Pat::Guard(inner) => self.bind(&inner.pat, of),
            syn::Pat::Type(inner) => {
                let of = about(self.krate, self.module, self.this, &inner.ty);
                self.bind(&inner.pat, of);
            }
            syn::Pat::TupleStruct(inner) => {
                let is_around = inner.path.is_ident("Some") || inner.path.is_ident("Ok");
                for pattern in &inner.elems {
                    self.bind(pattern, of.filter(|_| is_around));
                }
            }
            syn::Pat::Tuple(inner) => {
                for pattern in &inner.elems {
                    self.bind(pattern, None);
                }
            }
            syn::Pat::Struct(inner) => {
                for field in &inner.fields {
                    self.bind(&field.pat, None);
                }
            }
            _ => {}
        }
    }

    fn function(&mut self, signature: &syn::Signature, body: &syn::Block) {
        self.variables.push(HashMap::new());
        for input in &signature.inputs {
            if let syn::FnArg::Typed(input) = input {
                let of = about(self.krate, self.module, self.this, &input.ty);
                self.bind(&input.pat, of);
            }
        }
        self.visit_signature(signature);
        self.visit_block(body);
        self.variables.pop();
    }

    /// A closure whose first parameter is about a type, unless it says another.
    fn closure(&mut self, closure: &syn::ExprClosure, of: Option<DefinitionId>) {
        self.variables.push(HashMap::new());
        for (index, input) in closure.inputs.iter().enumerate() {
            self.bind(input, of.filter(|_| index == 0));
        }
        visit::visit_expr_closure(self, closure);
        self.variables.pop();
    }

    fn tokens(&mut self, tokens: proc_macro2::TokenStream) {
        for token in tokens::scan(tokens) {
            match token {
                tokens::Found::Path(path, line) => self.path(&path, line),
                tokens::Found::Call {
                    receiver,
                    name,
                    line,
                } => {
                    let of = receiver.as_deref().and_then(|it| self.variable(it));
                    self.call(of, receiver.as_deref(), &name, line);
                }
            }
        }
    }
}

/// The last name of an expression: `ledger` of `self.ledger()`.
pub(super) fn spelled(value: &syn::Expr) -> Option<String> {
    match value {
        syn::Expr::Path(path) => path.path.get_ident().map(ToString::to_string),
        syn::Expr::Field(field) => match &field.member {
            syn::Member::Named(name) => Some(name.to_string()),
            syn::Member::Unnamed(_) => None,
        },
        syn::Expr::MethodCall(call) => Some(call.method.to_string()),
        syn::Expr::Reference(inner) => spelled(&inner.expr),
        syn::Expr::Paren(inner) => spelled(&inner.expr),
        syn::Expr::Unary(inner) => spelled(&inner.expr),
        syn::Expr::Try(inner) => spelled(&inner.expr),
        _ => None,
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if is_for_tests(attributes(item)) {
            return;
        }
        match item {
            // A `use` of the module is seen to with the module, one of a block with the block.
            syn::Item::Use(_) => {}
            syn::Item::Mod(child) => self.visit_child(child),
            item => visit::visit_item(self, item),
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        for attribute in &item.attrs {
            self.visit_attribute(attribute);
        }
        let this = self.this.take();
        self.function(&item.sig, &item.block);
        self.this = this;
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            self.function(&item.sig, &item.block);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        match &item.default {
            Some(body) => self.function(&item.sig, body),
            None => self.visit_signature(&item.sig),
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let of = about(self.krate, self.module, None, &item.self_ty);
        let outer = std::mem::replace(&mut self.this, of);
        visit::visit_item_impl(self, item);
        self.this = outer;
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        let outer = self.this.take();
        visit::visit_item_struct(self, item);
        self.this = outer;
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        let mut scope = Scope::default();
        for statement in &block.stmts {
            if let syn::Stmt::Item(item) = statement {
                match item {
                    syn::Item::Use(item) => scope.imports.extend(imports(item)),
                    item => scope
                        .items
                        .extend(named(item).map(|(name, _)| name.to_string())),
                }
            }
        }
        for import in &scope.imports {
            self.import(import);
        }
        self.scopes.push(scope);
        self.variables.push(HashMap::new());
        visit::visit_block(self, block);
        self.variables.pop();
        self.scopes.pop();
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        visit::visit_local(self, local);
        let of = local
            .init
            .as_ref()
            .and_then(|init| self.type_of(&init.expr));
        self.bind(&local.pat, of);
    }

    fn visit_expr_let(&mut self, condition: &'ast syn::ExprLet) {
        visit::visit_expr_let(self, condition);
        let of = self.type_of(&condition.expr);
        self.bind(&condition.pat, of);
    }

    fn visit_expr_for_loop(&mut self, expression: &'ast syn::ExprForLoop) {
        self.variables.push(HashMap::new());
        self.visit_expr(&expression.expr);
        let of = self.type_of(&expression.expr);
        self.bind(&expression.pat, of);
        self.visit_pat(&expression.pat);
        self.visit_block(&expression.body);
        self.variables.pop();
    }

    fn visit_expr_match(&mut self, expression: &'ast syn::ExprMatch) {
        self.visit_expr(&expression.expr);
        let of = self.type_of(&expression.expr);
        for arm in &expression.arms {
            self.variables.push(HashMap::new());
            self.bind(&arm.pat, of);
            self.visit_arm(arm);
            self.variables.pop();
        }
    }

    fn visit_expr_closure(&mut self, closure: &'ast syn::ExprClosure) {
        self.closure(closure, None);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let of = self.type_of(&call.receiver);
        let name = call.method.to_string();
        let line = call.method.span().start().line;
        self.call(of, spelled(&call.receiver).as_deref(), &name, line);
        self.visit_expr(&call.receiver);
        if let Some(arguments) = &call.turbofish {
            self.visit_angle_bracketed_generic_arguments(arguments);
        }
        for argument in &call.args {
            match argument {
                // `map`, `filter` and the like give it what the receiver contains.
                syn::Expr::Closure(closure) => self.closure(closure, of),
                argument => self.visit_expr(argument),
            }
        }
    }

    fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
        self.visit_qualified(path.qself.as_ref(), &path.path);
    }

    fn visit_type_path(&mut self, path: &'ast syn::TypePath) {
        self.visit_qualified(path.qself.as_ref(), &path.path);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.path(&segments(path), path.span().start().line);
        visit::visit_path(self, path);
    }

    fn visit_pat_ident(&mut self, pattern: &'ast syn::PatIdent) {
        let name = pattern.ident.to_string();
        if name.starts_with(char::is_uppercase) {
            self.path(&[name], pattern.ident.span().start().line);
        }
        visit::visit_pat_ident(self, pattern);
    }

    // A `pub(in path)` names a module.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta
            && !["cfg", "cfg_attr", "derive"]
                .iter()
                .any(|it| list.path.is_ident(it))
        {
            self.tokens(list.tokens.clone());
        }
    }

    fn visit_macro(&mut self, used: &'ast syn::Macro) {
        let path = segments(&used.path);
        let line = used.path.span().start().line;
        self.path(&path, line);
        match tokens::body(used) {
            Body::Expressions(values) => {
                for value in &values {
                    self.visit_expr(value);
                }
            }
            Body::Match(parts) => {
                let (value, pattern) = &*parts;
                self.visit_expr(value);
                self.variables.push(HashMap::new());
                self.bind(pattern, self.type_of(value));
                self.visit_pat(pattern);
                self.variables.pop();
            }
            Body::Tokens(tokens) => self.tokens(tokens),
        }
    }
}

impl Reader<'_> {
    /// An inline module.
    fn visit_child(&mut self, child: &syn::ItemMod) {
        let children = &self.krate.modules[self.module].children;
        let (Some((_, items)), Some(id)) = (
            &child.content,
            children.get(&child.ident.to_string()).copied(),
        ) else {
            return;
        };
        let outer = (self.file, self.module);
        (self.file, self.module) = (self.krate.modules[id].file, id);
        for import in &self.krate.modules[id].imports {
            self.import(import);
        }
        for item in items {
            self.visit_item(item);
        }
        (self.file, self.module) = outer;
    }

    /// A path that may begin with `<Type as Trait>`.
    fn visit_qualified(&mut self, qualified: Option<&syn::QSelf>, path: &syn::Path) {
        match qualified {
            Some(qualified) if qualified.position == 0 => {
                self.visit_type(&qualified.ty);
                for segment in &path.segments {
                    self.visit_path_arguments(&segment.arguments);
                }
            }
            Some(qualified) => {
                self.visit_type(&qualified.ty);
                self.visit_path(path);
            }
            None => self.visit_path(path),
        }
    }
}
