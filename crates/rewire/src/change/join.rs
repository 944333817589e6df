//! Reads the modules that a change brings.

use std::sync::Arc;

use rewire_llvm::{Contract, GlobalKind, Module, ModuleIndex, Ordinal, Source};
use rewire_object::{SymbolBinding, SymbolPlace};

use crate::base::error::Error;
use crate::core::Core;

/// A module that was read and verified.
pub(super) struct ReadModule {
    pub(super) source: Source,
    pub(super) module: Module,
    pub(super) index: ModuleIndex,
    /// The contracts of its functions, as far as their bodies keep them; empty if the module
    /// replaces nothing.
    contracts: Contracts,
    /// Its module-level assembly, if it has any.
    pub(super) assembly: Option<Assembly>,
}

/// Module-level assembly, assembled to an object.
pub(super) struct Assembly {
    pub(super) bytes: Vec<u8>,
    /// The names that it defines.
    pub(super) names: Vec<AssemblyName>,
}

/// A name that assembly defines.
pub(super) struct AssemblyName {
    pub(super) name: Arc<str>,
    /// Whether the symbol is local; if so, other code sees it only if the module's IR declares it.
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

    /// Checks that the module defines this function, and no other global name.
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

/// The contracts of a module's functions, in the order of the module.
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
    /// Splits it into the parts that the ledger takes over.
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
