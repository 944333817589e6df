//! What is known of the crate's types without a compiler: their fields, their methods with the
//! files that define them, and which of the crate's types a written type is about.
//!
//! A type is *spread* when it has inherent methods in files other than its own, as `Core` and
//! `Ledger` have. Only methods of spread types lead to other files than the type itself does.

use std::collections::{HashMap, HashSet};

use super::tree::{Crate, DefinitionId, FileId, ModuleId, is_for_tests};

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Methods {
    fields: HashMap<DefinitionId, HashMap<String, DefinitionId>>,
    inherent: HashMap<DefinitionId, HashMap<String, Vec<Method>>>,
    /// What functions return, and what is in statics and constants.
    values: HashMap<DefinitionId, DefinitionId>,
    /// What a type derefs to.
    targets: HashMap<DefinitionId, DefinitionId>,
    /// Names of methods of traits, and of types that aren't spread.
    others: HashSet<String>,
}

struct Method {
    file: FileId,
    returns: Option<DefinitionId>,
}

/// Where a method is defined.
pub(super) struct MethodPlace {
    pub(super) of: DefinitionId,
    pub(super) file: FileId,
}

impl Methods {
    /// Reads all items of a crate.
    pub(super) fn of(krate: &Crate) -> Self {
        let mut methods = Self::default();
        for (id, file) in krate.files.iter().enumerate() {
            methods.items(krate, id, file.module, &file.syntax.items);
        }
        for (of, known) in &methods.inherent {
            if !is_spread(krate, *of, known) {
                methods.others.extend(known.keys().cloned());
            }
        }
        methods
    }

    fn items(&mut self, krate: &Crate, file: FileId, module: ModuleId, items: &[syn::Item]) {
        for item in items {
            if is_for_tests(super::tree::attributes(item)) {
                continue;
            }
            match item {
                syn::Item::Mod(child) => {
                    let id = krate.modules[module].children.get(&child.ident.to_string());
                    if let (Some((_, items)), Some(id)) = (&child.content, id) {
                        self.items(krate, krate.modules[*id].file, *id, items);
                    }
                }
                syn::Item::Struct(item) => {
                    let name = item.ident.to_string();
                    self.fields(krate, module, &name, &item.fields);
                }
                syn::Item::Fn(item) => {
                    let name = item.sig.ident.to_string();
                    let of = about_return(krate, module, None, &item.sig.output);
                    self.value(krate, module, &name, of);
                }
                syn::Item::Static(item) => {
                    let of = about(krate, module, None, &item.ty);
                    self.value(krate, module, &item.ident.to_string(), of);
                }
                syn::Item::Const(item) => {
                    let of = about(krate, module, None, &item.ty);
                    self.value(krate, module, &item.ident.to_string(), of);
                }
                syn::Item::Trait(item) => {
                    let names = item.items.iter().filter_map(|item| match item {
                        syn::TraitItem::Fn(item) => Some(item.sig.ident.to_string()),
                        _ => None,
                    });
                    self.others.extend(names);
                }
                syn::Item::Impl(item) => self.implementation(krate, file, module, item),
                _ => {}
            }
        }
    }

    fn value(&mut self, krate: &Crate, module: ModuleId, name: &str, of: Option<DefinitionId>) {
        let id = krate.modules[module].items.get(name);
        if let (Some(of), Some(id)) = (of, id.and_then(|id| id.first())) {
            self.values.insert(*id, of);
        }
    }

    fn fields(&mut self, krate: &Crate, module: ModuleId, name: &str, fields: &syn::Fields) {
        let Some(id) = krate.resolve(module, &[name.to_owned()]).pop() else {
            return;
        };
        let known = self.fields.entry(id.item).or_default();
        for (index, field) in fields.iter().enumerate() {
            let name = field
                .ident
                .as_ref()
                .map_or_else(|| index.to_string(), ToString::to_string);
            if let Some(of) = about(krate, module, Some(id.item), &field.ty) {
                known.insert(name, of);
            }
        }
    }

    fn implementation(
        &mut self,
        krate: &Crate,
        file: FileId,
        module: ModuleId,
        item: &syn::ItemImpl,
    ) {
        let of = about(krate, module, None, &item.self_ty);
        for method in &item.items {
            let method = match method {
                syn::ImplItem::Fn(method) => method,
                syn::ImplItem::Type(target) if target.ident == "Target" => {
                    let target = about(krate, module, of, &target.ty);
                    self.targets.extend(of.zip(target));
                    continue;
                }
                _ => continue,
            };
            if is_for_tests(&method.attrs) {
                continue;
            }
            let name = method.sig.ident.to_string();
            let Some(of) = of.filter(|_| item.trait_.is_none()) else {
                self.others.insert(name);
                continue;
            };
            let returns = about_return(krate, module, Some(of), &method.sig.output);
            let known = self.inherent.entry(of).or_default();
            known
                .entry(name)
                .or_default()
                .push(Method { file, returns });
        }
    }

    /// The files that define a method of a type, if the type is spread.
    pub(super) fn places(
        &self,
        krate: &Crate,
        of: DefinitionId,
        name: &str,
    ) -> Option<Vec<MethodPlace>> {
        let known = self.inherent.get(&of);
        let Some((known, found)) = known.and_then(|known| Some((known, known.get(name)?))) else {
            let target = *self.targets.get(&of)?;
            return self.places(krate, target, name);
        };
        if !is_spread(krate, of, known) {
            return Some(Vec::new());
        }
        let place = |method: &Method| MethodPlace {
            of,
            file: method.file,
        };
        Some(found.iter().map(place).collect())
    }

    /// The one file that defines a method of this name, if only one spread type has it and neither
    /// another type of the crate nor a common type of the standard library has one of that name.
    pub(super) fn only_place(&self, krate: &Crate, name: &str) -> Option<MethodPlace> {
        if self.others.contains(name) || has(COMMON, name) {
            return None;
        }
        let mut found = None;
        for (of, known) in &self.inherent {
            for method in known.get(name).into_iter().flatten() {
                if !is_spread(krate, *of, known) || found.is_some() {
                    return None;
                }
                found = Some(MethodPlace {
                    of: *of,
                    file: method.file,
                });
            }
        }
        found
    }

    /// The spread type of this name in lower case: by convention a variable `ledger` holds a
    /// `Ledger`.
    pub(super) fn by_convention(&self, krate: &Crate, variable: &str) -> Option<DefinitionId> {
        let mut found = self.inherent.iter().filter(|(of, known)| {
            is_spread(krate, **of, known) && krate.definitions[**of].name.to_lowercase() == variable
        });
        found.next().map(|(of, _)| *of)
    }

    /// The type of a field.
    pub(super) fn field(&self, of: DefinitionId, name: &str) -> Option<DefinitionId> {
        let found = self.fields.get(&of).and_then(|known| known.get(name));
        found
            .copied()
            .or_else(|| self.field(*self.targets.get(&of)?, name))
    }

    /// What a method returns. A method that the type doesn't have is one of a pointer or container
    /// around it, such as `get` or `unwrap`, and leads to the type itself.
    pub(super) fn returned(&self, of: DefinitionId, name: &str) -> Option<DefinitionId> {
        match self.inherent.get(&of).and_then(|known| known.get(name)) {
            Some(found) => found.iter().find_map(|method| method.returns),
            None if has(TRANSPARENT, name) => Some(of),
            None => self.returned(*self.targets.get(&of)?, name),
        }
    }

    /// What a function returns, or what is in a static or a constant.
    pub(super) fn value_of(&self, item: DefinitionId) -> Option<DefinitionId> {
        self.values.get(&item).copied()
    }
}

fn is_spread(krate: &Crate, of: DefinitionId, known: &HashMap<String, Vec<Method>>) -> bool {
    let home = krate.definitions[of].file;
    known.values().flatten().any(|method| method.file != home)
}

/// The type of the crate that a written type is about: itself, or what it points to or contains.
pub(super) fn about(
    krate: &Crate,
    module: ModuleId,
    this: Option<DefinitionId>,
    written: &syn::Type,
) -> Option<DefinitionId> {
    match written {
        syn::Type::Reference(inner) => about(krate, module, this, &inner.elem),
        syn::Type::Ptr(inner) => about(krate, module, this, &inner.elem),
        syn::Type::Paren(inner) => about(krate, module, this, &inner.elem),
        syn::Type::Group(inner) => about(krate, module, this, &inner.elem),
        syn::Type::Slice(inner) => about(krate, module, this, &inner.elem),
        syn::Type::Array(inner) => about(krate, module, this, &inner.elem),
        syn::Type::Path(path) if path.qself.is_none() => {
            if path.path.is_ident("Self") {
                return this;
            }
            let last = path.path.segments.last()?;
            let found = krate.resolve(module, &segments(&path.path));
            if let Some(found) = found.iter().find(|it| krate.definitions[it.item].is_type) {
                return found.associated.is_none().then_some(found.item);
            }
            let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else {
                return None;
            };
            let mut types = arguments.args.iter().filter_map(|it| match it {
                syn::GenericArgument::Type(it) => Some(it),
                _ => None,
            });
            let name = last.ident.to_string();
            let inner = match name.as_str() {
                "HashMap" | "BTreeMap" | "SlotMap" | "SecondaryMap" => types.nth(1),
                name if has(AROUND, name) => types.next(),
                _ => None,
            };
            about(krate, module, this, inner?)
        }
        _ => None,
    }
}

/// As [`about`], of what a function returns.
fn about_return(
    krate: &Crate,
    module: ModuleId,
    this: Option<DefinitionId>,
    output: &syn::ReturnType,
) -> Option<DefinitionId> {
    match output {
        syn::ReturnType::Default => None,
        syn::ReturnType::Type(_, written) => about(krate, module, this, written),
    }
}

/// A path's names.
pub(super) fn segments(path: &syn::Path) -> Vec<String> {
    path.segments
        .iter()
        .map(|segment| segment.ident.to_string())
        .collect()
}

fn has(names: &str, name: &str) -> bool {
    names.split_whitespace().any(|it| it == name)
}

/// Types of other crates that point to or contain another.
const AROUND: &str = "Arc Box Cell Cow LazyLock ManuallyDrop Mutex MutexGuard OnceCell OnceLock \
    Option Pin Rc RefCell Result RwLock RwLockReadGuard RwLockWriteGuard SmallVec Vec VecDeque Weak";

/// Methods of such types that lead to what they point to or contain.
const TRANSPARENT: &str = "as_deref as_deref_mut as_mut as_ref borrow borrow_mut clone cloned \
    copied expect filter first get get_mut into_iter iter iter_mut last lock next ok ok_or \
    ok_or_else pop read rev skip take unwrap unwrap_or_default upgrade values values_mut write";

/// Names that methods of the standard library's types have.
const COMMON: &str = "all and_then any as_deref as_mut as_ref borrow chain clear clone cloned cmp \
    collect contains contains_key copied count default drain end entry enumerate eq expect extend \
    filter filter_map find finish first flush fmt from get get_mut hash id insert into is_empty \
    is_some iter iter_mut join keys kind last len lock map max min name new next notify_all ok \
    or_default or_insert pop push read remove replace reserve resize retain send set sort spawn \
    split start sum swap take unwrap unwrap_or upgrade values wait write zip";
