//! Modules that a change brings, and the units that they become.

use rewire_llvm::{Contract, GlobalKind, Module, ModuleIndex, Ordinal, Source};

use rustc_hash::FxHashMap;

use crate::core::Core;
use crate::error::Error;

/// A module that was read.
pub(super) struct Read {
    pub(super) source: Source,
    pub(super) module: Module,
    pub(super) index: ModuleIndex,
    /// The contracts of its functions, as the bodies keep them; empty where nothing is replaced.
    contracts: Contracts,
}

impl Read {
    /// Reads a module, and all its bodies if they may replace others.
    pub(super) fn new(core: &Core, source: Source, replaces: bool) -> Result<Self, Error> {
        let guard = core.guard_reading(&source.name);
        let module = Module::read(&source)?;
        let index = module.index()?;
        let mut contracts = FxHashMap::default();
        if replaces {
            module.verify_all()?;
            for (ordinal, global) in index.numbered() {
                let is_function = global.kind == GlobalKind::Function && global.is_definition;
                if is_function && !global.is_local() {
                    let kept = module.kept_contract(ordinal, &global.contract);
                    contracts.insert(ordinal, kept);
                }
            }
        }
        drop(guard);
        Ok(Self {
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

/// The contracts of a module's functions, once the module is a unit's.
pub(super) struct Contracts(FxHashMap<Ordinal, Contract>);

impl Contracts {
    pub(super) fn of(&self, function: Ordinal) -> Option<&Contract> {
        self.0.get(&function)
    }
}

impl Read {
    /// Takes it apart for the ledger.
    pub(super) fn into_parts(self) -> (Source, Module, ModuleIndex, Contracts) {
        (self.source, self.module, self.index, self.contracts)
    }
}
