//! Resolves paths to the items that they name: through modules, imports, globs and re-exports.

use super::tree::{Crate, DefinitionId, Import, ModuleId};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Module(ModuleId),
    Item(DefinitionId),
}

/// An item, and the name that follows it in a path (`Type::method`).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) item: DefinitionId,
    pub(super) associated: Option<String>,
}

impl Crate {
    /// The items that a path names, seen from `module`. Nothing for names of other crates, for
    /// modules, and for what isn't known. More than one where a name is both a type and a function.
    pub(super) fn resolve(&self, module: ModuleId, path: &[String]) -> Vec<Resolved> {
        self.walk(module, path, &mut Vec::new())
            .into_iter()
            .filter_map(|(target, used)| match target {
                Target::Item(item) => Some(Resolved {
                    item,
                    associated: path.get(used).cloned(),
                }),
                Target::Module(_) => None,
            })
            .collect()
    }

    /// The targets of a path, each with the number of segments that lead to it.
    fn walk(&self, start: ModuleId, path: &[String], seen: &mut Seen) -> Vec<(Target, usize)> {
        let Some(first) = path.first() else {
            return Vec::new();
        };
        let mut at = match first.as_str() {
            "crate" => vec![Target::Module(0)],
            "self" => vec![Target::Module(start)],
            "super" => self.modules[start]
                .parent
                .map(Target::Module)
                .into_iter()
                .collect(),
            name => self.named(start, name, seen),
        };
        let mut found = Vec::new();
        for (used, name) in path.iter().enumerate().skip(1) {
            let is_type = |item: DefinitionId| self.definitions[item].is_type;
            let items = at.iter().filter(|target| match target {
                Target::Item(item) => is_type(*item),
                Target::Module(_) => false,
            });
            found.extend(items.map(|target| (*target, used)));
            let modules = at.iter().filter_map(|target| match target {
                Target::Module(module) => Some(*module),
                Target::Item(_) => None,
            });
            at = modules
                .flat_map(|module| match name.as_str() {
                    "super" => self.modules[module]
                        .parent
                        .map(Target::Module)
                        .into_iter()
                        .collect(),
                    name => self.named(module, name, seen),
                })
                .collect();
        }
        found.extend(at.into_iter().map(|target| (target, path.len())));
        found
    }

    /// What a name stands for in a module.
    fn named(&self, module: ModuleId, name: &str, seen: &mut Seen) -> Vec<Target> {
        if seen.iter().any(|(at, what)| *at == module && what == name) {
            return Vec::new();
        }
        seen.push((module, name.to_owned()));
        let here = &self.modules[module];
        let mut found: Vec<Target> = Vec::new();
        found.extend(here.children.get(name).map(|child| Target::Module(*child)));
        if let Some(items) = here.items.get(name) {
            found.extend(items.iter().map(|item| Target::Item(*item)));
        }
        for import in &here.imports {
            if import.name.as_deref() == Some(name) {
                found.extend(self.targets(module, import, seen));
            }
        }
        if found.is_empty() {
            for import in here.imports.iter().filter(|import| import.name.is_none()) {
                for target in self.targets(module, import, seen) {
                    if let Target::Module(of) = target {
                        found.extend(self.named(of, name, seen));
                    }
                }
            }
        }
        seen.pop();
        found
    }

    /// What an import in `module` stands for.
    fn targets(&self, module: ModuleId, import: &Import, seen: &mut Seen) -> Vec<Target> {
        self.walk(module, &import.path, seen)
            .into_iter()
            .filter(|(_, used)| *used == import.path.len())
            .map(|(target, _)| target)
            .collect()
    }

    /// The items that an import brings in; nothing where it brings in a module.
    pub(super) fn imported(&self, module: ModuleId, import: &Import) -> Vec<DefinitionId> {
        let targets = self.targets(module, import, &mut Vec::new());
        let items: Vec<DefinitionId> = targets
            .iter()
            .filter_map(|target| match target {
                Target::Item(item) => Some(*item),
                Target::Module(_) => None,
            })
            .collect();
        let names_module = items.len() < targets.len();
        // `use a::name` where `name` is a module and, through a re-export, an item as well: what
        // the code does with it tells which is meant.
        if names_module { Vec::new() } else { items }
    }
}

/// The names that are being looked up, so that imports in a circle end.
type Seen = Vec<(ModuleId, String)>;
