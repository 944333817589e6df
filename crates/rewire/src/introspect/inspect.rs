//! [`Inspection`]: what is loaded, for people: units, names, sizes, and which names refer to which.

use std::collections::HashMap;
use std::sync::Arc;

use rewire_llvm::{
    Contents, Global, GlobalKind, Linkage, Module, Ordinal, Structor as IndexedStructor,
};
use rustc_hash::FxHashMap;

use crate::base::error::Error;
use crate::base::ids::{UnitId, UnitKey};
use crate::core::Core;
use crate::ledger::unit::Unit;
use crate::ledger::{Definition, EntryId, Ledger};

/// What an engine had loaded when it was asked ([`Engine::inspect`](crate::Engine::inspect)).
///
/// ```
/// let engine = rewire::Engine::new(rewire::Options::default())?;
/// engine.add_ir("f.ll", b"
///     declare i32 @puts(ptr)
///     @text = constant [3 x i8] c\"hi\\00\"
///     define i32 @f() {
///       %r = call i32 @puts(ptr @text)
///       ret i32 %r
///     }")?;
/// let seen = engine.inspect()?;
/// let (_, f) = seen.find("f").unwrap();
/// assert_eq!(f.home, rewire::Home::Unit(0));
/// let called: Vec<&str> = f.callees().map(|used| &*seen.symbol(used.symbol).name).collect();
/// assert_eq!(called, ["puts"]);
/// assert_eq!(engine.report().functions_compiled, 0);
/// # Ok::<(), rewire::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// The units, in the order of loading.
    pub units: Vec<InspectedUnit>,
    /// All symbols that the units define or declare, each once however many units name it. LLVM's
    /// intrinsics and special variables (`llvm.memcpy...`) are left out. Symbols that a unit
    /// defines come in the order of the units.
    pub symbols: Vec<Symbol>,
}

impl Inspection {
    /// Returns the symbol with this ID.
    ///
    /// # Panics
    ///
    /// If the ID belongs to another inspection.
    #[must_use]
    pub fn symbol(&self, id: SymbolId) -> &Symbol {
        &self.symbols[id.index()]
    }

    /// Returns the global symbol of this name, otherwise the first local one.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(SymbolId, &Symbol)> {
        let named = self.all().filter(|(_, symbol)| &*symbol.name == name);
        named.min_by_key(|(_, symbol)| symbol.linkage == Linkage::Local)
    }

    /// Returns all symbols with their IDs.
    pub fn all(&self) -> impl Iterator<Item = (SymbolId, &Symbol)> {
        let ids = (0..).map(SymbolId);
        ids.zip(&self.symbols)
    }
}

/// A unit as it was loaded.
#[derive(Clone, Debug)]
pub struct InspectedUnit {
    /// The unit's ID.
    pub id: UnitId,
    /// The unit's name: usually a path.
    pub name: Arc<str>,
    /// The number of its definitions that gave way to other definitions of the same name (`weak`,
    /// `linkonce`, COMDAT).
    pub left_out: usize,
    /// The constructors, in the order in which the unit lists them.
    pub constructors: Vec<Structor>,
    /// The destructors, in the order in which the unit lists them.
    pub destructors: Vec<Structor>,
    /// Whether it has module-level assembly.
    pub has_assembly: bool,
}

/// A constructor or destructor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Structor {
    /// The function.
    pub function: SymbolId,
    /// Its priority: constructors with lower priorities run first, destructors with lower
    /// priorities last. 65535 is the default.
    pub priority: u32,
}

/// Identifies a symbol in its [`Inspection`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymbolId(u32);

impl SymbolId {
    /// Returns its index in [`Inspection::symbols`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A function, variable or alias that a unit defines or declares.
#[derive(Clone, Debug)]
pub struct Symbol {
    /// The symbol name (mangled); empty if it has none.
    pub name: Arc<str>,
    /// The linkage of its definition, otherwise of a declaration.
    pub linkage: Linkage,
    /// The type, as IR writes it.
    pub type_name: Arc<str>,
    /// Where it is defined.
    pub home: Home,
    /// The kind of symbol.
    pub kind: SymbolKind,
    /// The symbols that its definition refers to, each once.
    pub uses: Vec<SymbolUse>,
    /// The symbols whose definitions refer to it, each once.
    pub users: Vec<SymbolUse>,
}

impl Symbol {
    /// Returns the symbols that it calls by name. Calls through pointers aren't known.
    pub fn callees(&self) -> impl Iterator<Item = &SymbolUse> {
        self.uses.iter().filter(|used| used.calls > 0)
    }

    /// Returns the symbols that call it by name.
    pub fn callers(&self) -> impl Iterator<Item = &SymbolUse> {
        self.users.iter().filter(|user| user.calls > 0)
    }

    /// Whether a unit defines it.
    #[must_use]
    pub fn is_defined(&self) -> bool {
        matches!(self.home, Home::Unit(_) | Home::Assembly(_))
    }

    /// Returns its name for messages.
    #[must_use]
    pub fn label(&self) -> &str {
        if self.name.is_empty() {
            "(unnamed)"
        } else {
            &self.name
        }
    }
}

/// Where a symbol is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Home {
    /// In this unit's IR; an index into [`Inspection::units`].
    Unit(usize),
    /// In this unit's module-level assembly.
    Assembly(usize),
    /// Outside the loaded units: in the process, in a library that the process has loaded, or in
    /// the engine.
    Host,
    /// Nowhere.
    Nowhere,
}

/// The kind of a symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SymbolKind {
    /// A function.
    Function(FunctionSize),
    /// A variable.
    Variable {
        /// The size in bytes.
        size: u64,
        /// Whether it is thread-local.
        thread_local: bool,
        /// Whether it is constant.
        constant: bool,
        /// The section that the source asked for; empty when none.
        section: Box<str>,
    },
    /// An alias: another name for an offset into another symbol.
    Alias {
        /// The symbol that it is an alias of.
        of: SymbolId,
        /// The offset in bytes.
        offset: i64,
    },
    /// An indirect function (`ifunc`): its resolver chooses the target when it is first needed.
    Ifunc {
        /// The resolver function.
        resolver: SymbolId,
    },
}

/// The size of a function's IR; all zero if no unit's IR defines it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FunctionSize {
    /// The number of basic blocks.
    pub blocks: usize,
    /// The number of instructions, without debug records.
    pub instructions: usize,
    /// The number of calls through pointers.
    pub indirect_calls: usize,
}

/// How one symbol's definition refers to another symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SymbolUse {
    /// The other symbol.
    pub symbol: SymbolId,
    /// The number of places that call it.
    pub calls: usize,
    /// Whether a place refers to it in another way: takes its address, reads it or writes it.
    pub refers: bool,
}

/// Implements [`Engine::inspect`](crate::Engine::inspect).
pub(crate) fn inspect(core: &Core) -> Result<Inspection, Error> {
    let mut builder = Builder::default();
    let units = {
        let ledger = core.ledger();
        let units = ledger.units();
        builder.places = (0..)
            .zip(&units)
            .map(|(place, unit)| (unit.id, place))
            .collect();
        for (place, unit) in units.iter().enumerate() {
            builder.enter_definitions(&ledger, place, unit);
        }
        for unit in &units {
            builder.enter_declarations(&ledger, unit);
        }
        for unit in &units {
            builder.describe(&ledger, unit);
        }
        units
    };
    for (place, unit) in units.iter().enumerate() {
        builder.read_bodies(core, place, unit)?;
    }
    builder.ask_host();
    builder.find_users();
    Ok(builder.inspection)
}

#[derive(Default)]
struct Builder {
    inspection: Inspection,
    ids: FxHashMap<EntryId, SymbolId>,
    /// The index of each inspected unit.
    places: FxHashMap<UnitKey, usize>,
    /// The definitions in force of each unit.
    elected: Vec<Vec<(Ordinal, SymbolId)>>,
}

impl Builder {
    fn enter_definitions(&mut self, ledger: &Ledger, place: usize, unit: &Unit) {
        let mut elected = Vec::new();
        let mut left_out = 0;
        for (ordinal, global, id) in globals(unit) {
            if !global.is_definition {
                continue;
            }
            if ledger.entry(id).elected() == Some((unit.id, ordinal)) {
                let home = Home::Unit(place);
                elected.push((ordinal, self.enter(ledger, id, global, home)));
            } else {
                left_out += 1;
            }
        }
        self.elected.push(elected);
        self.inspection.units.push(InspectedUnit {
            id: unit.number(),
            name: unit.name.clone(),
            left_out,
            constructors: Vec::new(),
            destructors: Vec::new(),
            has_assembly: unit.index.has_assembly,
        });
    }

    /// Adds the symbols that a unit declares and no unit's IR defines.
    fn enter_declarations(&mut self, ledger: &Ledger, unit: &Unit) {
        for (_, global, id) in globals(unit) {
            if self.ids.contains_key(&id) {
                continue;
            }
            let home = match ledger.entry(id).definition() {
                Definition::Engine => Home::Host,
                Definition::Assembly(unit) => match self.places.get(&unit) {
                    Some(place) => Home::Assembly(*place),
                    None => Home::Nowhere,
                },
                _ => Home::Nowhere,
            };
            self.enter(ledger, id, global, home);
        }
    }

    fn enter(&mut self, ledger: &Ledger, id: EntryId, global: &Global, home: Home) -> SymbolId {
        let symbol = SymbolId(self.inspection.symbols.len() as u32);
        self.ids.insert(id, symbol);
        self.inspection.symbols.push(Symbol {
            name: global.name.clone(),
            linkage: ledger.entry(id).linkage(),
            type_name: global.type_name.clone(),
            home,
            kind: kind(global),
            uses: Vec::new(),
            users: Vec::new(),
        });
        symbol
    }

    /// Fills in the references to other symbols.
    fn describe(&mut self, ledger: &Ledger, unit: &Unit) {
        let place = self.places.get(&unit.id).copied().unwrap_or_default();
        let elected = self.elected.get(place).cloned().unwrap_or_default();
        for (ordinal, symbol) in elected {
            let id = unit.entry(ordinal);
            let kind = match id.map(|id| ledger.entry(id).definition()) {
                Some(Definition::Alias(target, offset)) => self
                    .ids
                    .get(&target)
                    .map(|of| SymbolKind::Alias { of: *of, offset }),
                Some(Definition::Ifunc(resolver)) => {
                    let resolver = self.ids.get(&resolver);
                    resolver.map(|resolver| SymbolKind::Ifunc {
                        resolver: *resolver,
                    })
                }
                _ => None,
            };
            if let Some(kind) = kind {
                self.inspection.symbols[symbol.index()].kind = kind;
            }
        }
        let structors = |list: &[IndexedStructor]| -> Vec<Structor> {
            let found = list.iter().filter_map(|one| {
                let function = self.ids.get(&unit.entry(one.function)?)?;
                Some(Structor {
                    function: *function,
                    priority: one.priority,
                })
            });
            found.collect()
        };
        let (before, after) = (
            structors(&unit.index.constructors),
            structors(&unit.index.destructors),
        );
        if let Some(inspected) = self.inspection.units.get_mut(place) {
            inspected.constructors = before;
            inspected.destructors = after;
        }
    }

    /// Reads and verifies a whole unit, and records its definitions in force.
    fn read_bodies(&mut self, core: &Core, place: usize, unit: &Unit) -> Result<(), Error> {
        // Of machine code only the names are known.
        if unit.is_object() {
            return Ok(());
        }
        let _guard = core.guard_reading(&unit.name);
        let module = unit.whole_module()?;
        for (ordinal, symbol) in self.elected.get(place).into_iter().flatten() {
            let known = &mut self.inspection.symbols[symbol.index()];
            let contents = module.contents(*ordinal);
            if let SymbolKind::Function(size) = &mut known.kind {
                *size = size_of(&contents);
            }
            let uses = contents.uses.iter().filter_map(|used| {
                let symbol = self.ids.get(&unit.entry(used.target)?)?;
                Some(SymbolUse {
                    symbol: *symbol,
                    calls: used.calls,
                    refers: used.refers,
                })
            });
            known.uses = uses.collect();
        }
        self.note_assembly(place, &module);
        Ok(())
    }

    /// The ledger learns the names that a unit's assembly defines only when the assembly is linked.
    fn note_assembly(&mut self, place: usize, module: &Module) {
        let names = module.assembly_names();
        if names.is_empty() {
            return;
        }
        let by_name: HashMap<Arc<str>, usize> = self
            .inspection
            .symbols
            .iter()
            .enumerate()
            .filter(|(_, symbol)| symbol.home == Home::Nowhere)
            .map(|(id, symbol)| (symbol.name.clone(), id))
            .collect();
        for name in names {
            if let Some(id) = by_name.get(&name) {
                self.inspection.symbols[*id].home = Home::Assembly(place);
            }
        }
    }

    fn ask_host(&mut self) {
        for symbol in &mut self.inspection.symbols {
            if symbol.home != Home::Nowhere || symbol.name.is_empty() {
                continue;
            }
            let thread_local = matches!(
                symbol.kind,
                SymbolKind::Variable {
                    thread_local: true,
                    ..
                }
            );
            if crate::process::host_symbol(&symbol.name, thread_local).is_some() {
                symbol.home = Home::Host;
            }
        }
    }

    fn find_users(&mut self) {
        let mut users: Vec<Vec<SymbolUse>> = vec![Vec::new(); self.inspection.symbols.len()];
        for (id, symbol) in self.inspection.all() {
            for used in &symbol.uses {
                users[used.symbol.index()].push(SymbolUse {
                    symbol: id,
                    ..*used
                });
            }
        }
        for (symbol, users) in self.inspection.symbols.iter_mut().zip(users) {
            symbol.users = users;
        }
    }
}

/// The globals of a unit that have entries in the ledger.
fn globals(unit: &Unit) -> impl Iterator<Item = (Ordinal, &Global, EntryId)> {
    let numbered = (0..).map(Ordinal::new).zip(&unit.index.globals);
    numbered.filter_map(|(ordinal, global)| Some((ordinal, global, unit.entry(ordinal)?)))
}

fn kind(global: &Global) -> SymbolKind {
    match &global.kind {
        GlobalKind::Variable {
            size,
            thread_local,
            constant,
            section,
            ..
        } => SymbolKind::Variable {
            size: *size,
            thread_local: *thread_local,
            constant: *constant,
            section: section.clone(),
        },
        // The targets of aliases and indirect functions are filled in after everything is entered.
        _ => SymbolKind::Function(FunctionSize::default()),
    }
}

fn size_of(contents: &Contents) -> FunctionSize {
    FunctionSize {
        blocks: contents.blocks,
        instructions: contents.instructions,
        indirect_calls: contents.indirect_calls,
    }
}
