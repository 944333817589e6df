//! What is shown, with the order of its lists.

use std::cmp::Reverse;

use rewire::{
    Engine, Home, Inspection, Linkage, OptLevel, Options, Symbol, SymbolId, SymbolKind, demangle,
};

use super::exports::Exports;
use crate::args::{InspectOptions, Sort};
use crate::input::{self, Fate};
use crate::libraries;
use crate::problem::Problem;
use crate::sources::SourceOptions;

/// What the FILEs define and use, in the order in which it is shown.
pub(super) struct View {
    pub(super) seen: Inspection,
    /// What the shared libraries have that were asked for.
    exports: Exports,
    pub(super) functions: Vec<SymbolId>,
    pub(super) variables: Vec<SymbolId>,
    /// Aliases and indirect functions.
    pub(super) others: Vec<SymbolId>,
    pub(super) undefined: Vec<SymbolId>,
}

impl View {
    /// Reads the FILEs and libraries that the command line names.
    pub(super) fn load(asked: &InspectOptions) -> Result<Self, Problem> {
        let engine = Engine::new(Options {
            guard_crashes: true,
            ..Options::default()
        })?;
        let mut exports = Exports::new(&asked.library_paths);
        for library in &asked.libraries {
            for file in libraries::find(library, &asked.library_paths)? {
                exports.read(&file)?;
            }
        }
        for file in &asked.files {
            let how = SourceOptions::baseline(OptLevel::Auto, &asked.source_flags);
            input::load(&engine, file, how, Fate::Replaceable, &mut |path| {
                Ok(exports.read(path)?)
            })?;
        }
        let seen = engine.inspect()?;
        Ok(Self::new(seen, exports, asked.sort))
    }

    fn new(seen: Inspection, exports: Exports, sort: Sort) -> Self {
        let mut view = Self {
            exports,
            functions: Vec::new(),
            variables: Vec::new(),
            others: Vec::new(),
            undefined: Vec::new(),
            seen: Inspection::default(),
        };
        for (id, symbol) in seen.all() {
            let list = match symbol.kind {
                _ if !symbol.is_defined() => &mut view.undefined,
                SymbolKind::Function(_) => &mut view.functions,
                SymbolKind::Variable { .. } => &mut view.variables,
                _ => &mut view.others,
            };
            list.push(id);
        }
        view.seen = seen;
        // Names decide where all else is equal; lists begin in the order of loading.
        let (seen, exports) = (&view.seen, &view.exports);
        let lists = [
            &mut view.functions,
            &mut view.variables,
            &mut view.others,
            &mut view.undefined,
        ];
        for list in lists {
            list.sort_by_cached_key(|id| {
                let symbol = seen.symbol(*id);
                let weight = match sort {
                    // What is found nowhere matters most.
                    Sort::Size if !symbol.is_defined() => {
                        u64::from(found_in(symbol, exports).is_none())
                    }
                    Sort::Size => size(symbol),
                    Sort::Users => symbol.users.len() as u64,
                    Sort::Name => 0,
                };
                (Reverse(weight), demangle(&symbol.name))
            });
        }
        view
    }

    /// The symbols of a name, as the linker or as the source has it; a function's parameters may be
    /// left out of the latter.
    pub(super) fn named(&self, name: &str) -> Vec<SymbolId> {
        let of = |is_it: &dyn Fn(&str) -> bool| -> Vec<SymbolId> {
            let all = self.seen.all().filter(|(_, symbol)| is_it(&symbol.name));
            all.map(|(id, _)| id).collect()
        };
        let by_linker = of(&|own| own == name);
        if !by_linker.is_empty() {
            return by_linker;
        }
        let by_source = of(&|own| demangle(own) == name);
        if !by_source.is_empty() {
            return by_source;
        }
        of(&|own| {
            let demangled = demangle(own);
            let rest = demangled.strip_prefix(name);
            demangled != own && rest.is_some_and(|rest| rest.starts_with('('))
        })
    }

    pub(super) fn symbol(&self, id: SymbolId) -> &Symbol {
        self.seen.symbol(id)
    }

    /// Who has a name that no unit defines.
    pub(super) fn found_in(&self, symbol: &Symbol) -> Option<&str> {
        found_in(symbol, &self.exports)
    }
}

fn found_in<'e>(symbol: &Symbol, exports: &'e Exports) -> Option<&'e str> {
    match symbol.home {
        Home::Host => Some("process"),
        _ => exports.find(&symbol.name),
    }
}

/// What symbols are ordered by: instructions of functions, bytes of variables.
pub(super) fn size(symbol: &Symbol) -> u64 {
    match symbol.kind {
        SymbolKind::Function(size) => size.instructions as u64,
        SymbolKind::Variable { size, .. } => size,
        _ => 0,
    }
}

pub(super) fn linkage_name(linkage: Linkage) -> &'static str {
    match linkage {
        Linkage::External => "external",
        Linkage::Local => "local",
        Linkage::LinkOnce => "linkonce",
        Linkage::Weak => "weak",
        Linkage::Common => "common",
        Linkage::ExternWeak => "extern_weak",
        Linkage::Appending => "appending",
    }
}

pub(super) fn kind_name(symbol: &Symbol) -> &'static str {
    match symbol.kind {
        SymbolKind::Function(_) => "function",
        SymbolKind::Variable {
            thread_local: true, ..
        } => "thread-local",
        SymbolKind::Variable { constant: true, .. } => "constant",
        SymbolKind::Variable { .. } => "variable",
        SymbolKind::Alias { .. } => "alias",
        SymbolKind::Ifunc { .. } => "ifunc",
        _ => "other",
    }
}
