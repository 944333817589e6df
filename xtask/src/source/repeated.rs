//! Names that stand for more than one type within a crate.

use std::collections::BTreeMap;

use syn::visit::{self, Visit};

use super::tree::{Crate, attributes, is_for_tests, named};

/// The names of types that are defined more than once, each with the places that define it.
/// Types within functions count, and imports under the name of another type (`A as B`); those of
/// tests don't, nor do types of traits and `impl`s.
pub(super) fn repeated(krate: &Crate) -> BTreeMap<String, Vec<String>> {
    let mut types = Types::default();
    for file in &krate.files {
        types.path.clone_from(&file.path);
        types.visit_file(&file.syntax);
    }
    for (name, place) in types.renamed {
        if let Some(places) = types.places.get_mut(&name) {
            places.push(place);
        }
    }
    types.places.retain(|_, places| places.len() > 1);
    types.places
}

#[derive(Default)]
struct Types {
    path: String,
    places: BTreeMap<String, Vec<String>>,
    /// Names that imports give, with their places.
    renamed: Vec<(String, String)>,
}

impl<'ast> Visit<'ast> for Types {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if is_for_tests(attributes(item)) {
            return;
        }
        if let Some((ident, true)) = named(item) {
            let place = format!("{}:{}", self.path, ident.span().start().line);
            self.places
                .entry(ident.to_string())
                .or_default()
                .push(place);
        }
        visit::visit_item(self, item);
    }

    fn visit_use_rename(&mut self, import: &'ast syn::UseRename) {
        let place = format!("{}:{}", self.path, import.rename.span().start().line);
        self.renamed.push((import.rename.to_string(), place));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }
}
