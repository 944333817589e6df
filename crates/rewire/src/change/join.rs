//! Modules that a change brings, and the units that they become.

use std::sync::Arc;

use rewire_llvm::{Contract, GlobalKind, Module, ModuleIndex, Ordinal, Source};
use rewire_object::{SymbolBinding, SymbolPlace};

use crate::base::error::Error;
use crate::core::Core;

/// A module that was read.
pub(super) struct ReadModule {
    pub(super) source: Source,
    pub(super) module: Module,
    pub(super) index: ModuleIndex,
    /// The contracts of its functions, as the bodies keep them; empty where nothing is replaced.
    contracts: Contracts,
    /// Its module-level assembly, if it has any.
    pub(super) assembly: Option<Assembly>,
}

/// Module-level assembly, as an object.
pub(super) struct Assembly {
    pub(super) bytes: Vec<u8>,
    /// What it defines.
    pub(super) names: Vec<AssemblyName>,
}

/// A name that assembly defines.
pub(super) struct AssemblyName {
    pub(super) name: Arc<str>,
    /// Others see it only where the module's IR declares it.
    pub(super) is_local: bool,
}

impl Assembly {
    fn new(core: &Core, name: &str, module: &mut Module) -> Result<Option<Self>, Error> {
        let Some(bytes) = core.emit_assembly_of(module)? else {
            return Ok(None);
        };
        let graph = rewire_object::parse(name, &bytes)?;
        let symbols = graph.symbol_ids().map(|(_, symbol)| symbol);
        let defined = symbols.filter(|it| {
            let is_elsewhere = matches!(it.place, SymbolPlace::Undefined | SymbolPlace::GotBase);
            !is_elsewhere && !it.name.is_empty()
        });
        let names = defined.map(|it| AssemblyName {
            name: it.name.into(),
            is_local: it.binding == SymbolBinding::Local,
        });
        let names = names.collect();
        Ok(Some(Self { bytes, names }))
    }
}

impl ReadModule {
    /// Reads a module, and all its bodies if they may replace others.
    pub(super) fn new(core: &Core, source: Source, replaces: bool) -> Result<Self, Error> {
        let guard = core.guard_reading(&source.name);
        let mut module = Module::read(&source)?;
        let index = module.index()?;
        let mut contracts = Vec::new();
        if replaces {
            module.verify_all()?;
            for (ordinal, global) in index.numbered() {
                let is_function = global.kind == GlobalKind::Function && global.is_definition;
                if is_function && !global.is_local() {
                    let kept = module.kept_contract(ordinal, &global.contract);
                    contracts.push((ordinal, kept));
                }
            }
        }
        let assembly = match index.has_assembly {
            true => Assembly::new(core, &source.name, &mut module)?,
            false => None,
        };
        drop(guard);
        Ok(Self {
            assembly,
            source,
            module,
            index,
            contracts: Contracts(contracts),
        })
    }

    /// Checks that a function is the only thing that it defines for others.
    pub(super) fn defines_only(&self, name: &str) -> Result<(), Error> {
        let refuse = |reason: String| {
            Err(Error::Replace {
                name: name.into(),
                reason,
            })
        };
        let globals = self.index.globals.iter();
        let mut definitions = globals.filter(|global| {
            global.is_definition && !global.is_local() && global.kind != GlobalKind::Intrinsic
        });
        match (definitions.next(), definitions.next()) {
            (Some(one), None) if &*one.name == name => Ok(()),
            (None, _) => refuse("the new module does not define it".to_owned()),
            (Some(one), _) if &*one.name != name => {
                refuse(format!("the new module also defines {}", one.name))
            }
            (_, other) => {
                let other = other.map_or("nothing", |other| &other.name);
                refuse(format!("the new module also defines {other}"))
            }
        }
    }
}

/// The contracts of a module's functions, in its order, once the module is a unit's.
pub(super) struct Contracts(Vec<(Ordinal, Contract)>);

impl Contracts {
    pub(super) fn of(&self, function: Ordinal) -> Option<&Contract> {
        let found = self
            .0
            .binary_search_by_key(&function, |(ordinal, _)| *ordinal);
        found.ok().map(|place| &self.0[place].1)
    }
}

impl ReadModule {
    /// Takes it apart for the ledger.
    pub(super) fn into_parts(self) -> (Source, Module, ModuleIndex, Contracts, Option<Assembly>) {
        (
            self.source,
            self.module,
            self.index,
            self.contracts,
            self.assembly,
        )
    }
}
