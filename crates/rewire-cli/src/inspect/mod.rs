//! `rewire inspect`: shows what would be loaded. Compiles nothing and runs nothing; of shared
//! libraries, only the tables of names are read ([`exports`]).

mod exports;
mod json;
mod table;
mod text;

use std::cmp::Reverse;
use std::io::{self, BufWriter, Write};

use rewire::{Engine, Home, Inspection, Linkage, Options, Symbol, SymbolId, SymbolKind};

use crate::args::{Inspect, Sort};
use crate::input::{self, Fate, Problem};
use crate::{libraries, message, run};
use exports::Exports;

/// Shows it and returns the exit code.
pub(crate) fn inspect(asked: &Inspect) -> i32 {
    message::set_color(asked.color);
    let view = match View::load(asked) {
        Ok(view) => view,
        Err(problem) => return run::report_problem(problem),
    };
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let shown = match view.show(asked, &mut out) {
        Ok(Shown::All) => out.flush().map(|()| 0),
        Ok(Shown::NoSuchName(name)) => {
            let help = "rewire inspect without --calls lists all functions";
            message::error(&format!("nothing is called {name}"), Some(help));
            return rewire::EXIT_LOAD;
        }
        Err(error) => Err(error),
    };
    shown.unwrap_or_else(|error| message::no_output(&error))
}

enum Shown {
    All,
    NoSuchName(String),
}

/// What is shown, in the order in which it is shown.
struct View {
    seen: Inspection,
    /// What the shared libraries have that were asked for.
    exports: Exports,
    functions: Vec<SymbolId>,
    variables: Vec<SymbolId>,
    /// Aliases and indirect functions.
    others: Vec<SymbolId>,
    undefined: Vec<SymbolId>,
}

impl View {
    fn load(asked: &Inspect) -> Result<Self, Problem> {
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
            let level = rewire::OptLevel::Auto;
            input::load(&engine, file, level, Fate::Replaceable, &mut |path| {
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
                (Reverse(weight), symbol.name.clone())
            });
        }
        view
    }

    fn show(&self, asked: &Inspect, out: &mut dyn Write) -> io::Result<Shown> {
        if let Some(name) = &asked.calls {
            let named = self.seen.all().filter(|(_, symbol)| *symbol.name == **name);
            let named: Vec<SymbolId> = named.map(|(id, _)| id).collect();
            if named.is_empty() {
                return Ok(Shown::NoSuchName(name.clone()));
            }
            match asked.json {
                true => json::write(out, &json::calls(self, &named))?,
                false => text::calls(self, &named, out)?,
            }
        } else if asked.undefined {
            match asked.json {
                true => json::write(out, &json::undefined(self))?,
                false => text::undefined(self, out)?,
            }
        } else {
            match asked.json {
                true => json::write(out, &json::all(self))?,
                false => text::all(self, out)?,
            }
        }
        Ok(Shown::All)
    }

    fn symbol(&self, id: SymbolId) -> &Symbol {
        self.seen.symbol(id)
    }

    /// Who has a name that no unit defines.
    fn found_in(&self, symbol: &Symbol) -> Option<&str> {
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
fn size(symbol: &Symbol) -> u64 {
    match symbol.kind {
        SymbolKind::Function(size) => size.instructions as u64,
        SymbolKind::Variable { size, .. } => size,
        _ => 0,
    }
}

fn linkage_name(linkage: Linkage) -> &'static str {
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

fn kind_name(symbol: &Symbol) -> &'static str {
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
