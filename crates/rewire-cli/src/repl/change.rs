//! Changes of what is loaded, and what the engine tells of a definition's IR and code: the only
//! place of the REPL that touches this part of the engine.

use std::sync::Arc;

use rewire::{Engine, EntryKind, Error, ExecAddr, Library, SymbolPlace};

use super::trouble::Trouble;

/// A change that is made as a whole or not at all.
#[derive(Debug)]
pub(crate) struct Change<'e> {
    engine: &'e Engine,
    definitions: Vec<Definitions>,
}

/// A module, and the global names that it defines.
#[derive(Debug)]
struct Definitions {
    unit: String,
    ir: Vec<u8>,
    names: Vec<String>,
}

/// What a change did.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    /// Names that weren't defined before.
    pub(crate) added: Vec<Arc<str>>,
    /// Names that have another definition now.
    pub(crate) replaced: Vec<Replaced>,
    /// Names that are defined no more.
    pub(crate) removed: Vec<Arc<str>>,
}

/// A name that has another definition now.
#[derive(Debug)]
pub(crate) struct Replaced {
    pub(crate) name: Arc<str>,
    /// The number of the definition that is in force now.
    pub(crate) generation: u32,
    /// How many functions and variables use it.
    pub(crate) users: usize,
}

/// A function's machine code.
#[derive(Debug)]
pub(crate) struct MachineCode {
    pub(crate) address: ExecAddr,
    pub(crate) bytes: Vec<u8>,
}

impl<'e> Change<'e> {
    pub(crate) fn new(engine: &'e Engine) -> Self {
        Self {
            engine,
            definitions: Vec::new(),
        }
    }

    /// Adds a module, whose definitions are added or replace those of their names. `names` are the
    /// global names that it defines, as far as the caller knows.
    pub(crate) fn define(&mut self, unit: &str, ir: &[u8], names: Vec<String>) {
        self.definitions.push(Definitions {
            unit: unit.to_owned(),
            ir: ir.to_owned(),
            names,
        });
    }

    /// Makes the change.
    pub(crate) fn commit(self) -> Result<Changed, Failed> {
        let mut changed = Changed::default();
        for one in self.definitions {
            commit(self.engine, one, &mut changed)?;
        }
        Ok(changed)
    }
}

/// Why a change failed.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The engine refuses it.
    Engine(Error),
    /// It is not there yet.
    Absent(&'static str),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

impl From<Failed> for Trouble {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Engine(error) => Self::Engine(error),
            Failed::Absent(what) => absent(what),
        }
    }
}

fn absent(what: &str) -> Trouble {
    Trouble::said(format!("{what} is not there yet"))
}

/// One module at a time, as long as the engine has no transactions.
fn commit(engine: &Engine, module: Definitions, changed: &mut Changed) -> Result<(), Failed> {
    let library = engine.main();
    let known = module.names.iter().filter_map(|name| library.state(name));
    let existing: Vec<_> = known.filter(|state| state.unit.is_some()).collect();
    match existing.as_slice() {
        [] => {
            let unit = library.add_ir(&module.unit, &module.ir)?;
            if module.names.is_empty() {
                let mut units = engine.units().into_iter();
                let added = units.find(|it| it.id == unit).map(|it| it.defines);
                changed.added.extend(added.into_iter().flatten());
            } else {
                let names = module.names.into_iter();
                changed.added.extend(names.map(Arc::from));
            }
        }
        [one] if module.names.len() == 1 && one.kind == EntryKind::Function => {
            let generation = library.replace(&one.name, &module.ir)?;
            let mut users: Vec<_> = one.users.iter().map(|user| &user.name).collect();
            users.sort_unstable();
            users.dedup();
            changed.replaced.push(Replaced {
                name: one.name.clone(),
                generation: generation.get(),
                users: users.len(),
            });
        }
        [_] if module.names.len() == 1 => {
            return Err(Failed::Absent("replacing a variable"));
        }
        _ => return Err(Failed::Absent("replacing several definitions at once")),
    }
    Ok(())
}

/// Removes a definition, even if it is in use.
pub(crate) fn remove(_library: &Library, _name: &str, _force: bool) -> Result<Changed, Trouble> {
    Err(absent(":remove"))
}

/// Removes all that a unit defines.
pub(crate) fn unload(engine: &Engine, _library: &Library, name: &str) -> Result<Changed, Trouble> {
    if !engine.units().iter().any(|unit| &*unit.name == name) {
        return Err(Trouble::with_help(
            format!("there is no unit {name}"),
            ":list says which unit a definition is in",
        ));
    }
    Err(absent(":unload"))
}

/// Takes back the last change.
pub(crate) fn undo(_engine: &Engine) -> Result<Changed, Trouble> {
    Err(absent(":undo"))
}

/// A function's IR, as it is in force.
pub(crate) fn ir(_library: &Library, _name: &str) -> Result<String, Trouble> {
    Err(absent(":ir"))
}

/// A function's machine code; `None` before it is compiled.
pub(crate) fn machine_code(engine: &Engine, library: &Library, name: &str) -> Option<MachineCode> {
    let address = library.state(name)?.address?;
    let is_of_it = |offset: u64| {
        let here = engine.symbol_at(address + offset);
        here.is_some_and(|it| it.place == SymbolPlace::Body && it.offset == offset)
    };
    let length = (0..).take_while(|offset| is_of_it(*offset)).count();
    // SAFETY: these bytes are of one body in code memory, which stays as long as the engine.
    let bytes = unsafe { std::slice::from_raw_parts(address.get() as *const u8, length) };
    Some(MachineCode {
        address,
        bytes: bytes.to_vec(),
    })
}
