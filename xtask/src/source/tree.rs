//! Reads a crate's source from its root file along its `mod` items. What only tests compile is
//! left out.

use std::collections::HashMap;

use syn::spanned::Spanned;

use crate::error::{Error, Result};

/// Index into [`Crate::files`].
pub(super) type FileId = usize;
/// Index into [`Crate::modules`].
pub(super) type ModuleId = usize;
/// Index into [`Crate::definitions`].
pub(super) type DefinitionId = usize;

/// A crate, parsed.
pub(super) struct Crate {
    pub(super) name: String,
    pub(super) files: Vec<SourceFile>,
    pub(super) modules: Vec<Module>,
    pub(super) definitions: Vec<Definition>,
}

/// A file of a crate that the product compiles. An inline module counts as a file of its own, so
/// that nothing is gained by putting one file into another.
pub(super) struct SourceFile {
    /// Its path below `src/`; for an inline module, that of its file, and `::name`.
    pub(super) path: String,
    pub(super) module: ModuleId,
    /// Nothing for an inline module, whose items are among those of its file.
    pub(super) syntax: syn::File,
}

/// A module, inline or with a file of its own.
pub(super) struct Module {
    pub(super) file: FileId,
    pub(super) parent: Option<ModuleId>,
    pub(super) children: HashMap<String, ModuleId>,
    pub(super) items: HashMap<String, Vec<DefinitionId>>,
    pub(super) imports: Vec<Import>,
}

/// One name that a `use` brings into a module, or one `*`.
#[derive(Clone)]
pub(super) struct Import {
    /// The name as it is known here; nothing for a `*`, and `_` for a trait without a name.
    pub(super) name: Option<String>,
    pub(super) path: Vec<String>,
    /// Whether others can name what it brings in (`pub use`, `pub(crate) use`).
    pub(super) is_reexport: bool,
    pub(super) line: usize,
}

/// An item that can be named.
pub(super) struct Definition {
    pub(super) name: String,
    pub(super) file: FileId,
    pub(super) is_type: bool,
}

impl Crate {
    /// Reads the crate whose root file is `root`. `read` returns the text of the file at a path
    /// below `src/`, if there is one.
    pub(super) fn read(
        name: &str,
        root: &str,
        read: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let mut reader = Reader {
            read,
            krate: Self {
                name: name.to_owned(),
                files: Vec::new(),
                modules: Vec::new(),
                definitions: Vec::new(),
            },
        };
        reader.file(root, None, folder_of_children(root))?;
        Ok(reader.krate)
    }
}

struct Reader<'a> {
    read: &'a dyn Fn(&str) -> Option<String>,
    krate: Crate,
}

impl Reader<'_> {
    /// Reads a file and its child modules, whose files lie in `folder`.
    fn file(&mut self, path: &str, parent: Option<ModuleId>, folder: String) -> Result<ModuleId> {
        let text = (self.read)(path)
            .ok_or_else(|| Error::new(format!("{}: {path} is missing", self.krate.name)))?;
        let syntax = syn::parse_file(&text).map_err(|error| {
            let line = error.span().start().line;
            Error::new(format!("{}: {path}:{line}: {error}", self.krate.name))
        })?;
        let module = self.module(path.to_owned(), parent);
        self.items(&syntax.items, module, &folder)?;
        let file = self.krate.modules[module].file;
        self.krate.files[file].syntax = syntax;
        Ok(module)
    }

    fn module(&mut self, path: String, parent: Option<ModuleId>) -> ModuleId {
        let module = self.krate.modules.len();
        self.krate.files.push(SourceFile {
            path,
            module,
            syntax: syn::File {
                shebang: None,
                frontmatter: None,
                attrs: Vec::new(),
                items: Vec::new(),
            },
        });
        self.krate.modules.push(Module {
            file: self.krate.files.len() - 1,
            parent,
            children: HashMap::new(),
            items: HashMap::new(),
            imports: Vec::new(),
        });
        module
    }

    fn items(&mut self, items: &[syn::Item], module: ModuleId, folder: &str) -> Result<()> {
        let file = self.krate.modules[module].file;
        for item in items {
            if is_for_tests(attributes(item)) {
                continue;
            }
            match item {
                syn::Item::Mod(child) => {
                    let name = child.ident.to_string();
                    let below = format!("{folder}{name}/");
                    let id = if let Some((_, items)) = &child.content {
                        let path = format!("{}::{name}", self.krate.files[file].path);
                        let id = self.module(path, Some(module));
                        self.items(items, id, &below)?;
                        id
                    } else {
                        let path = self.file_of_module(folder, &name);
                        self.file(&path, Some(module), below)?
                    };
                    self.krate.modules[module].children.insert(name, id);
                }
                syn::Item::Use(item) => {
                    let imports = imports(item);
                    self.krate.modules[module].imports.extend(imports);
                }
                syn::Item::ForeignMod(block) => {
                    for item in &block.items {
                        let name = match item {
                            syn::ForeignItem::Fn(item) => item.sig.ident.to_string(),
                            syn::ForeignItem::Static(item) => item.ident.to_string(),
                            syn::ForeignItem::Type(item) => item.ident.to_string(),
                            _ => continue,
                        };
                        self.define(name, file, module, false);
                    }
                }
                item => {
                    if let Some((name, is_type)) = named(item) {
                        self.define(name.to_string(), file, module, is_type);
                    }
                }
            }
        }
        Ok(())
    }

    fn define(&mut self, name: String, file: FileId, module: ModuleId, is_type: bool) {
        let id = self.krate.definitions.len();
        let items = &mut self.krate.modules[module].items;
        items.entry(name.clone()).or_default().push(id);
        self.krate.definitions.push(Definition {
            name,
            file,
            is_type,
        });
    }

    fn file_of_module(&self, folder: &str, name: &str) -> String {
        let flat = format!("{folder}{name}.rs");
        if (self.read)(&flat).is_some() {
            flat
        } else {
            format!("{folder}{name}/mod.rs")
        }
    }
}

/// Where the files of a file's child modules lie.
fn folder_of_children(path: &str) -> String {
    let (folder, name) = path
        .rsplit_once('/')
        .map_or((String::new(), path), |(folder, name)| {
            (format!("{folder}/"), name)
        });
    match name {
        "lib.rs" | "main.rs" | "mod.rs" => folder,
        name => format!("{folder}{}/", name.trim_end_matches(".rs")),
    }
}

/// The name of an item that defines one, and whether it is a type.
pub(super) fn named(item: &syn::Item) -> Option<(&syn::Ident, bool)> {
    let (ident, is_type) = match item {
        syn::Item::Const(item) => (&item.ident, false),
        syn::Item::Enum(item) => (&item.ident, true),
        syn::Item::Fn(item) => (&item.sig.ident, false),
        syn::Item::Macro(item) => (item.ident.as_ref()?, false),
        syn::Item::Static(item) => (&item.ident, false),
        syn::Item::Struct(item) => (&item.ident, true),
        syn::Item::Trait(item) => (&item.ident, true),
        syn::Item::Type(item) => (&item.ident, true),
        syn::Item::Union(item) => (&item.ident, true),
        _ => return None,
    };
    Some((ident, is_type))
}

/// The names that a `use` brings in.
pub(super) fn imports(item: &syn::ItemUse) -> Vec<Import> {
    let is_reexport = !matches!(item.vis, syn::Visibility::Inherited);
    let mut found = Vec::new();
    collect(&item.tree, &mut Vec::new(), is_reexport, &mut found);
    found
}

fn collect(
    tree: &syn::UseTree,
    prefix: &mut Vec<String>,
    is_reexport: bool,
    found: &mut Vec<Import>,
) {
    let mut add = |name: Option<String>, path: Vec<String>, line: usize| {
        found.push(Import {
            name,
            path,
            is_reexport,
            line,
        });
    };
    let line = tree.span().start().line;
    match tree {
        syn::UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            collect(&path.tree, prefix, is_reexport, found);
            prefix.pop();
        }
        syn::UseTree::Name(name) if name.ident == "self" => {
            add(prefix.last().cloned(), prefix.clone(), line);
        }
        syn::UseTree::Name(name) => {
            let name = name.ident.to_string();
            let mut path = prefix.clone();
            path.push(name.clone());
            add(Some(name), path, line);
        }
        syn::UseTree::Rename(rename) => {
            let mut path = prefix.clone();
            if rename.ident != "self" {
                path.push(rename.ident.to_string());
            }
            add(Some(rename.rename.to_string()), path, line);
        }
        syn::UseTree::Glob(_) => add(None, prefix.clone(), line),
        syn::UseTree::Group(group) => {
            for tree in &group.items {
                collect(tree, prefix, is_reexport, found);
            }
        }
    }
}

/// Whether attributes say that an item is compiled for tests only.
pub(super) fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let path = attribute.path();
        if path.is_ident("test") {
            return true;
        }
        path.is_ident("cfg")
            && attribute
                .parse_args::<syn::Meta>()
                .is_ok_and(|condition| needs_test(&condition))
    })
}

fn needs_test(condition: &syn::Meta) -> bool {
    let path = condition.path();
    if let syn::Meta::List(list) = condition {
        let parts = list.parse_args_with(
            syn::punctuated::Punctuated::<syn::Meta, syn::Token![,]>::parse_terminated,
        );
        return path.is_ident("all") && parts.is_ok_and(|parts| parts.iter().any(needs_test));
    }
    path.is_ident("test") || path.is_ident("doctest")
}

/// An item's attributes.
pub(super) fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::ExternCrate(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::ForeignMod(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Union(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
